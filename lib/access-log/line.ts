/**
 * One request as a line: JSON, or the combined format of web servers with further fields at its end. Pure.
 * Invariants: a line is printable ASCII and ends with one line feed, whatever a client sent: nothing in it can look like
 * another line, end a field early, or control a terminal.
 * Source: Apache HTTP Server, "Log Files" (combined log format and its escapes); RFC 8259 section 7.
 */
import type { Ended } from '../metrics/recorder.ts';

export type AccessLogFormat = 'json' | 'combined';

/** A logged request; texts of the client are latin1, as received. */
export interface AccessEntry {
  /** When its head was received, milliseconds since the Unix epoch. */
  readonly wallMs: number;
  /** As it was sent upstream and back; '' for a request that was refused before it got one. */
  readonly requestId: string;
  /** The address of the client, as far as trusted proxies report it. */
  readonly client: string;
  /** '' where not even the request line could be parsed. */
  readonly method: string;
  readonly target: string;
  /** `1.1`. */
  readonly httpVersion: string;
  /** 0 where there was no response. */
  readonly status: number;
  /** The replica that responded; '' for the balancer itself. */
  readonly replica: string;
  readonly attempts: number;
  readonly queueMs: number;
  readonly connectMs: number;
  /** Negative where no replica responded. */
  readonly firstByteMs: number;
  readonly totalMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly ended: Ended;
  /** The code of the balancer's own failure, or ''. */
  readonly error: string;
  readonly referer: string;
  readonly userAgent: string;
}

/** Characters that must be escaped. */
const UNSAFE = /[^\x20\x21\x23-\x5b\x5d-\x7e]/;
const EACH_UNSAFE = /[^\x20\x21\x23-\x5b\x5d-\x7e]/g;

/** The entry as a line of JSON. */
export function jsonLine(entry: AccessEntry): string {
  const { requestId, method, target, replica, error } = entry;
  return (
    `{"time":"${isoTime(entry.wallMs)}","requestId":${jsonText(requestId)},"client":${jsonText(entry.client)},` +
    `"method":${jsonText(method)},"path":${jsonText(target)},"status":${entry.status === 0 ? null : entry.status},` +
    `"replica":${jsonText(replica)},"attempts":${entry.attempts},"queueMs":${rounded(entry.queueMs)},` +
    `"connectMs":${rounded(entry.connectMs)},"firstByteMs":${entry.firstByteMs < 0 ? null : rounded(entry.firstByteMs)},` +
    `"totalMs":${rounded(entry.totalMs)},"bytesIn":${entry.bytesIn},"bytesOut":${entry.bytesOut},` +
    `"ended":"${enderOf(entry)}"${error === '' ? '' : `,"error":"${error}"`}}\n`
  );
}

/** The entry in combined format, followed by the fields that it lacks. */
export function combinedLine(entry: AccessEntry): string {
  const { method, target, status, firstByteMs } = entry;
  const requestLine = method === '' ? '-' : `${quoted(method)} ${quoted(target)} HTTP/${entry.httpVersion}`;
  return (
    `${quoted(entry.client) || '-'} - - [${commonTime(entry.wallMs)}] "${requestLine}" ` +
    `${status === 0 ? '-' : status} ${entry.bytesOut} "${quoted(entry.referer) || '-'}" "${quoted(entry.userAgent) || '-'}" ` +
    `"${quoted(entry.requestId) || '-'}" ${entry.replica || '-'} ${entry.attempts} ${rounded(entry.queueMs)} ` +
    `${rounded(entry.connectMs)} ${firstByteMs < 0 ? '-' : rounded(firstByteMs)} ${rounded(entry.totalMs)} ` +
    `${entry.bytesIn} ${enderOf(entry)} ${entry.error || '-'}\n`
  );
}

function enderOf({ ended, error }: AccessEntry): Ended {
  return error === '' ? ended : 'balancer';
}

/** A string of JSON, or null for ''. */
function jsonText(text: string): string {
  if (text === '') return 'null';
  return UNSAFE.test(text) ? `"${text.replace(EACH_UNSAFE, jsonEscape)}"` : `"${text}"`;
}

function jsonEscape(char: string): string {
  if (char === '"' || char === '\\') return `\\${char}`;
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function quoted(text: string): string {
  return UNSAFE.test(text) ? text.replace(EACH_UNSAFE, quotedEscape) : text;
}

function quotedEscape(char: string): string {
  if (char === '"' || char === '\\') return `\\${char}`;
  return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

/** To the microsecond. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

/** Before the first line. */
const NO_SECOND = -1;
/** The last second that was formatted, since many requests share it. */
let isoSecond = NO_SECOND;
let isoText = '';
let commonText = '';
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;

function readSecond(wallMs: number): void {
  const second = Math.floor(wallMs / 1000);
  if (second === isoSecond) return;
  isoSecond = second;
  const iso = new Date(second * 1000).toISOString();
  isoText = iso.slice(0, 20);
  const [year, month, day] = iso.slice(0, 10).split('-');
  commonText = `${day}/${MONTHS[Number(month) - 1]}/${year}:${iso.slice(11, 19)} +0000`;
}

/** `2026-11-21T12:30:00.123Z`. */
function isoTime(wallMs: number): string {
  readSecond(wallMs);
  return `${isoText}${String(Math.floor(wallMs) % 1000).padStart(3, '0')}Z`;
}

/** `21/Nov/2026:12:30:00 +0000`. */
function commonTime(wallMs: number): string {
  readSecond(wallMs);
  return commonText;
}
