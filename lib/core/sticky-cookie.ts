/**
 * The sticky cookie in the header lines of a request: its value, and the lines without it.
 * A value that is not of the form of a token, or that comes twice, counts as none; it is cut out all the same, so that
 * replicas see only cookies of the application.
 * Invariant: time is linear in the lines. Source: RFC 6265 section 4.2.1.
 */

/** Characters of a token: 132 of the 256 bits of an HMAC-SHA256, in base64url. */
export const TOKEN_LENGTH = 22;

/** What was found. */
export interface StickyCookie {
  /** The lines without the cookie. */
  lines: string;
  /** '' where there is none, or none that could be a token. */
  token: string;
}

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const COOKIE = 'cookie:';

/** One object for all, since each is read before the next is made. */
const found: StickyCookie = { lines: '', token: '' };

/** The last name that was looked for, and how its pair begins: a balancer has one. */
let knownName = '';
let pairStart = '=';

/** Takes the cookie `name` out of header lines that end with LF. The result is good until the next call. */
export function takeStickyCookie(lines: string, name: string): StickyCookie {
  if (name !== knownName) {
    knownName = name;
    pairStart = `${name}=`;
  }
  found.lines = lines;
  found.token = '';
  const at = lines.indexOf(pairStart);
  if (at !== -1) takeFrom(lines, at);
  return found;
}

/** Looks at each line, from the first on, in which the text of a pair is. */
function takeFrom(lines: string, first: number): void {
  let kept = '';
  let keptTo = 0;
  let count = 0;
  for (let at = first; at !== -1; ) {
    const start = lines.lastIndexOf('\n', at) + 1;
    const end = lines.indexOf('\n', at) + 1 || lines.length;
    if (isCookieLine(lines, start)) {
      const cut = cutPairs(lines.slice(start, end));
      if (cut.count > 0) {
        kept += lines.slice(keptTo, start) + cut.line;
        keptTo = end;
        count += cut.count;
        found.token = cut.value;
      }
    }
    at = lines.indexOf(pairStart, end);
  }
  if (count === 0) return;
  found.lines = kept + lines.slice(keptTo);
  if (count > 1 || found.token.length !== TOKEN_LENGTH) found.token = '';
}

function isCookieLine(lines: string, start: number): boolean {
  for (let at = 0; at < COOKIE.length; at++)
    if ((lines.charCodeAt(start + at) | 0x20) !== COOKIE.charCodeAt(at)) return false;
  return true;
}

interface CutLine {
  /** '' where nothing is left of it. */
  readonly line: string;
  readonly value: string;
  readonly count: number;
}

/** Takes the pairs of the name out of one Cookie line. */
function cutPairs(line: string): CutLine {
  let value = '';
  let count = 0;
  let others = '';
  const end = contentEnd(line);
  for (let from = COOKIE.length; from <= end; ) {
    const semicolon = line.indexOf(';', from);
    const to = semicolon === -1 || semicolon > end ? end : semicolon;
    const start = skipBlanks(line, from, to);
    if (line.startsWith(pairStart, start)) {
      value = line.slice(start + pairStart.length, trimmedEnd(line, start, to));
      count++;
    } else if (start < to) others += `${others === '' ? '' : '; '}${line.slice(start, to)}`;
    from = to + 1;
  }
  if (count === 0 || others === '') return { line: '', value, count };
  return { line: `${line.slice(0, COOKIE.length)} ${others}${line.slice(end)}`, value, count };
}

/** Where the line end begins. */
function contentEnd(line: string): number {
  let end = line.length;
  while (end > 0 && (line.charCodeAt(end - 1) === LF || line.charCodeAt(end - 1) === CR)) end--;
  return end;
}

function isBlank(unit: number): boolean {
  return unit === SPACE || unit === TAB;
}

function skipBlanks(line: string, from: number, to: number): number {
  let at = from;
  while (at < to && isBlank(line.charCodeAt(at))) at++;
  return at;
}

function trimmedEnd(line: string, from: number, to: number): number {
  let end = to;
  while (end > from && isBlank(line.charCodeAt(end - 1))) end--;
  return end;
}
