/** Feeds a response parser a response in any pieces, and records all calls of its sink. */
import { Buffer } from 'node:buffer';
import { parseErrorKindOf } from '../../lib/http1/parse-errors.ts';
import type { ResponseHead } from '../../lib/http1/response-head.ts';
import {
  RESPONSE_LIMITS,
  type ResponseLimits,
  ResponseParser,
  type ResponsePhase,
  type ResponseRequest,
  type ResponseSink,
} from '../../lib/http1/response-parser.ts';
import { isBalancerError } from '../../lib/platform/errors.ts';

export const GET: ResponseRequest = { method: 'GET', upgrade: false, rawChunks: false };

/** All calls for one response. */
export interface ParseRecord {
  readonly interim: ResponseHead[];
  head: ResponseHead | undefined;
  /** Latin1. */
  body: string;
  trailers: readonly string[] | undefined;
  /** How it went: `fault` with the broken rule, `cut` where the bytes or the connection ended too early. */
  outcome: 'done' | 'upgraded' | 'cut' | 'fault' | 'thrown';
  fault: string;
  phase: ResponsePhase;
  /** Latin1 bytes after the message. */
  rest: string;
}

export interface ParseInput {
  readonly request?: Partial<ResponseRequest>;
  readonly limits?: Partial<ResponseLimits>;
  /** Offsets, ascending, at which the bytes are cut into pieces. */
  readonly cuts?: readonly number[];
}

class RecordingSink implements ResponseSink {
  readonly record: ParseRecord = {
    interim: [],
    head: undefined,
    body: '',
    trailers: undefined,
    outcome: 'cut',
    fault: '',
    phase: 'idle',
    rest: '',
  };

  onInterim(head: ResponseHead): void {
    this.#mustBeOpen();
    if (this.record.head !== undefined) throw new Error('1xx after the final head');
    this.record.interim.push(head);
  }

  onHead(head: ResponseHead): void {
    this.#mustBeOpen();
    if (this.record.head !== undefined) throw new Error('two heads');
    this.record.head = head;
  }

  onBody(chunk: Buffer): void {
    this.#mustBeOpen();
    if (this.record.head === undefined) throw new Error('body before head');
    if (chunk.length === 0) throw new Error('empty body piece');
    this.record.body += chunk.toString('latin1');
  }

  onEnd(trailers: readonly string[]): void {
    this.#mustBeOpen();
    this.record.trailers = trailers;
  }

  #mustBeOpen(): void {
    if (this.record.trailers !== undefined) throw new Error('told something after the end');
  }
}

/** Feeds `wire` (a latin1 string, or bytes) and then the end of the connection. */
export function recordParse(
  wire: string | Buffer,
  { request, limits, cuts = [] }: ParseInput = {},
): ParseRecord {
  const bytes = typeof wire === 'string' ? Buffer.from(wire, 'latin1') : wire;
  const parser = new ResponseParser({ ...RESPONSE_LIMITS, ...limits });
  const sink = new RecordingSink();
  const record = sink.record;
  parser.start({ ...GET, ...request }, sink);
  const edges = [0, ...cuts, bytes.length];
  try {
    for (let k = 1; k < edges.length; k++) {
      if (edges[k]! <= edges[k - 1]!) continue;
      const result = parser.push(bytes.subarray(edges[k - 1]!, edges[k]!));
      if (result === 'more') continue;
      record.outcome = result;
      // what a later piece holds is as much after the message as what this one does
      record.rest = parser.rest.toString('latin1') + bytes.toString('latin1', edges[k]!);
      record.phase = parser.rest.length === 0 && record.rest !== '' ? 'dead' : parser.phase;
      return record;
    }
    if (parser.finish()) record.outcome = 'done';
  } catch (error) {
    record.outcome = isBalancerError(error, 'bad-response') ? 'fault' : 'thrown';
    record.fault = isBalancerError(error) ? parseErrorKindOf(error) : String(error);
  }
  record.phase = parser.phase;
  return record;
}

/** Every offset at which `wire` can be cut in two. */
export function everyCut(wire: string | Buffer): readonly number[] {
  return Array.from({ length: Math.max(0, wire.length - 1) }, (_, k) => k + 1);
}

/** What a chunked body that was handed over with its framing says; `complete` where its last chunk is there. */
export interface Unchunked {
  readonly data: string;
  readonly trailers: readonly string[];
  readonly complete: boolean;
}

/** Reads a chunked body or the beginning of one; throws where it has extensions, padding, or is malformed. */
export function unchunk(raw: string): Unchunked {
  let data = '';
  for (let at = 0; ; ) {
    const size = /^(?:0|[1-9a-fA-F][0-9a-fA-F]*)\r\n/.exec(raw.slice(at, at + 20))?.[0];
    if (size === undefined && at === raw.length) return { data, trailers: [], complete: false };
    if (size === undefined)
      throw new Error(`no plain chunk size at ${at}: ${JSON.stringify(raw.slice(at, at + 20))}`);
    at += size.length;
    const length = Number.parseInt(size, 16);
    if (length === 0) return { data, trailers: trailerLines(raw.slice(at)), complete: true };
    data += raw.slice(at, at + length);
    at += length;
    if (at + 2 > raw.length) return { data, trailers: [], complete: false };
    if (raw.slice(at, at + 2) !== '\r\n') throw new Error(`no line end after the chunk at ${at}`);
    at += 2;
  }
}

function trailerLines(section: string): readonly string[] {
  if (!/^(?:[^\r\n]+: [^\r\n]*\r\n)*\r\n$/.test(section))
    throw new Error(`odd trailers: ${JSON.stringify(section)}`);
  const lines = section.split('\r\n').filter((line) => line !== '');
  return lines.flatMap((line) => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)]);
}
