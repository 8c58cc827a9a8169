/**
 * What is written to the client for one request: interim responses, the head of a replica's response, a failure of the
 * balancer's own, or a cut where a response cannot be finished.
 * Invariants: of `start` and `fail` one is called at most once with effect on the wire; a response that is cut never looks
 * whole to its client.
 */
import type { ResponseHead } from '../../http1/response-head.ts';
import type { BalancerError } from '../../platform/errors.ts';
import type { AfterResponse } from '../downstream/client-response.ts';
import { isRequestComplete, type RequestContext } from '../downstream/request.ts';
import { debugLines } from '../headers/debug-headers.ts';
import { failureResponse } from '../headers/failure-response.ts';
import { buildResponseHead } from '../headers/response-headers.ts';
import { type StickyHeaderOptions, stickyLines } from '../headers/sticky-header.ts';
import type { RequestRecord } from './request-record.ts';
import { type RelayFlow, ResponseRelay } from './response-relay.ts';

/** What the writer needs of its worker. */
export interface WriterWorker {
  readonly options: { readonly via: boolean } & StickyHeaderOptions;
  readonly nowMs: number;
  /** The Strict-Transport-Security line of responses over TLS, or ''. */
  readonly tls: { readonly hstsLine: string };
  /** For Date headers. */
  readonly date: string;
  /** The balancer is shutting down, so connections are not kept. */
  readonly isDraining: boolean;
  readonly pools: {
    nameOf(ordinal: number): string | undefined;
    readonly sticky: { tokenToSet(token: string, taken: number): string };
  };
}

/** The replicas that the request was given to so far: how many, and the last of them or NO_ORDINAL. */
export interface AttemptsMade {
  readonly attempts: number;
  readonly last: number;
}

export class ResponseWriter {
  readonly #worker: WriterWorker;
  readonly #context: RequestContext;
  readonly #record: RequestRecord;
  readonly #made: AttemptsMade;
  /** The client can distinguish a whole response from a cut one without a reset. */
  #isDelimited = true;
  #hasInterim = false;

  constructor(worker: WriterWorker, context: RequestContext, record: RequestRecord, made: AttemptsMade) {
    this.#worker = worker;
    this.#context = context;
    this.#record = record;
    this.#made = made;
  }

  /** A replica has sent an interim response. */
  get hasInterim(): boolean {
    return this.#hasInterim;
  }

  /** Passes on a 1xx response, to a client that knows of such things. */
  writeInterim(head: ResponseHead): void {
    this.#hasInterim = true;
    if (this.#takesChunks) this.#context.response.writeInterim(`${head.forward}\r\n`);
  }

  /** Starts the response of a replica; `isRequestSent`: the replica has all of the request. */
  start(head: ResponseHead, flow: RelayFlow, isRequestSent: boolean): ResponseRelay {
    const { response, rawChunks, head: request, client } = this.#context;
    const takesChunks = this.#takesChunks;
    this.#isDelimited = takesChunks || head.framing === 'length' || head.framing === 'none';
    const after = this.#afterResponse(response.wantsKeepAlive && this.#isDelimited && isRequestSent);
    const text = buildResponseHead(head, {
      takesChunks,
      keepAlive: after === 'keep-alive',
      requestId: request.requestId,
      via: this.#worker.options.via,
      hsts: client.info.isTls ? this.#worker.tls.hstsLine : '',
      debug: request.isDebug ? this.#debugLines() : '',
      sticky: this.#worker.options.sticky === '' ? '' : this.#stickyLines(head),
      date: this.#worker.date,
    });
    this.#record.bytesOut = text.length;
    response.start(after);
    return new ResponseRelay(response, flow, text, rawChunks && head.framing === 'close');
  }

  /** Writes a failure of the balancer's own; `endExchange` is called before the client can know of it. */
  fail(error: BalancerError, endExchange: () => void): void {
    const { request, response, head } = this.#context;
    // a body that is too large closes its connection, whether the rest of it has come by now or not
    const after = this.#afterResponse(response.wantsKeepAlive && error.code !== 'body-too-large');
    const text = failureResponse(error, {
      keepAlive: after === 'keep-alive',
      isHead: request.method === 'HEAD',
      requestId: head.requestId,
      debug: head.isDebug ? this.#debugLines() : '',
    });
    this.#record.recordFailure(error, text.length);
    endExchange();
    response.start(after);
    response.end(text);
  }

  /**
   * Closes the connection of a response that has started and cannot be finished. The client gets what was written before;
   * a reset is sent only where closing the connection would look like the end of the response.
   */
  cut(endExchange: () => void): void {
    const { client, response } = this.#context;
    client.isClosing = true;
    endExchange();
    response.cut(this.#isDelimited);
  }

  get #takesChunks(): boolean {
    return this.#context.request.minorVersion === 1;
  }

  /** Sets the sticky cookie of the replica that responds, where the client does not have it. */
  #stickyLines(head: ResponseHead): string {
    const { options, pools } = this.#worker;
    const { stickyToken, isSecure } = this.#context.head;
    const token = pools.sticky.tokenToSet(stickyToken, this.#made.last);
    return token === '' ? '' : stickyLines(head, options, token, isSecure);
  }

  #debugLines(): string {
    this.#record.stopQueueTimer();
    const { queueMs, connectMs, firstByteMs } = this.#record;
    const { attempts, last } = this.#made;
    const replica = this.#worker.pools.nameOf(last);
    return debugLines({ replica, attempts, queueMs, connectMs, firstByteMs });
  }

  /** What follows on the client's connection, where `keepAlive` says what both sides would have. */
  #afterResponse(keepAlive: boolean): AfterResponse {
    const { response, client, upgrade } = this.#context;
    // a client that was refused another protocol but speaks it already must not be understood as HTTP
    const hasMoreToRead = (upgrade && client.hasPipelinedBytes) || !isRequestComplete(this.#context);
    if (keepAlive && !hasMoreToRead && !this.#worker.isDraining) return 'keep-alive';
    client.isClosing = true;
    if (!hasMoreToRead) return 'close';
    response.onFlushed(() => client.linger(this.#worker.nowMs));
    return 'linger';
  }
}
