/**
 * The access-log entries of one worker's requests, those that were refused before they were exchanges included. Which
 * requests are logged, and how an entry is written, is in `lib/access-log`.
 */

import type { AccessLog, AccessLogOptions } from '../../access-log/access-log.ts';
import { headerValue } from '../../core/header-value.ts';
import { type EndedRequest, NOT_MEASURED_MS } from '../../metrics/recorder.ts';
import { ERRORS, type ErrorCode } from '../../platform/errors.ts';
import type { RefusedRequest, RequestContext } from '../downstream/request.ts';
import type { ClientInfo } from '../headers/request-headers.ts';
import type { TrustedProxies } from '../headers/trusted-proxies.ts';

/** A request that is over, with what is only logged. */
export interface RecordedRequest extends EndedRequest {
  /** When its head had come, by `performance.now`. */
  readonly startMs: number;
  /** Time without a replica, and without a connection to it, all attempts together. */
  readonly queueMs: number;
  readonly connectMs: number;
  /** The code of the balancer's own failure. */
  readonly error: ErrorCode | '';
}

const NO_HEADERS: readonly string[] = [];

export class AccessLogEntries {
  readonly log: AccessLog;
  readonly #options: AccessLogOptions;
  readonly #trusted: TrustedProxies;
  readonly #nameOf: (ordinal: number) => string;

  /** `options` may change while requests are logged; `nameOf` gives the name of a replica, '' for none. */
  constructor(
    log: AccessLog,
    options: AccessLogOptions,
    trusted: TrustedProxies,
    nameOf: (ordinal: number) => string,
  ) {
    this.log = log;
    this.#options = options;
    this.#trusted = trusted;
    this.#nameOf = nameOf;
  }

  /** Logs a request that is over; `attempts` is how many replicas it was given to. */
  recordEnd(record: RecordedRequest, { request, head, client }: RequestContext, attempts: number): void {
    const { status, totalMs } = record;
    if (!this.#hasLine(status, totalMs)) return;
    const { rawHeaders } = request;
    this.log.add({
      wallMs: performance.timeOrigin + record.startMs,
      requestId: head.requestId,
      client: this.#trusted.originOf(client.info, rawHeaders),
      method: request.method,
      target: request.url,
      httpVersion: request.httpVersion,
      status,
      replica: this.#nameOf(record.respondedBy),
      attempts,
      queueMs: record.queueMs,
      connectMs: record.connectMs,
      firstByteMs: record.firstByteMs,
      totalMs,
      bytesIn: record.bytesIn,
      bytesOut: record.bytesOut,
      ended: record.ended,
      error: record.error,
      referer: headerValue(rawHeaders, 'referer'),
      userAgent: headerValue(rawHeaders, 'user-agent'),
    });
  }

  /**
   * Logs a request that was refused before it was an exchange, with a response of `bytesOut` bytes, or none; `request` is
   * undefined where not even its first line could be understood.
   */
  recordRefusal(
    code: ErrorCode,
    info: ClientInfo,
    bytesOut: number,
    request: RefusedRequest | undefined,
  ): void {
    const { status } = ERRORS[code];
    if (!this.#hasLine(status, 0)) return;
    const { rawHeaders = NO_HEADERS, method = '', url = '', httpVersion = '1.1' } = request ?? {};
    this.log.add({
      wallMs: performance.timeOrigin + performance.now(),
      requestId: '',
      client: this.#trusted.originOf(info, rawHeaders),
      method,
      target: url,
      httpVersion,
      status,
      replica: '',
      attempts: 0,
      queueMs: 0,
      connectMs: 0,
      firstByteMs: NOT_MEASURED_MS,
      totalMs: 0,
      bytesIn: 0,
      bytesOut,
      ended: 'whole',
      error: code,
      referer: headerValue(rawHeaders, 'referer'),
      userAgent: headerValue(rawHeaders, 'user-agent'),
    });
  }

  /** True where a request that ended so is logged, and there is room for its line. */
  #hasLine(status: number, totalMs: number): boolean {
    if (this.#options.accessLog === 'off') return false;
    return this.log.shouldLog(status, totalMs) && this.log.hasRoom();
  }
}
