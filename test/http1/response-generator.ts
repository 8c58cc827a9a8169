/** Random well-formed responses, each with what a reader must make of it. */
import type { Random } from '../helpers/random.ts';

/** A well-formed answer with what it means. */
export interface GeneratedResponse {
  /** Latin1. */
  readonly wire: string;
  readonly method: string;
  readonly upgrade: boolean;
  readonly status: number;
  readonly rawHeaders: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
  readonly interim: number;
  /** Early bytes of a tunnel. */
  readonly rest: string;
}

const TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const VALUE = `${TOKEN}"(),/:;<=>?@[\\]{} \t\xa0\xe9\xff\x80`;
const ANY = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join('');
const NAMES = [
  'Server',
  'Date',
  'ETag',
  'Set-Cookie',
  'set-cookie',
  'X-Request-Id',
  'Vary',
  'Link',
  'Content-Type',
];
const STATUSES = [200, 200, 200, 200, 201, 204, 206, 301, 304, 400, 404, 426, 500, 503, 599, 999];
const BLANKS = ['', ' ', ' ', ' ', '  ', '\t', ' \t '];

function header(random: Random): [string, string] {
  const name = random.chance(70) ? random.pick(NAMES) : `x${random.text(TOKEN, 12)}`;
  return [name, trim(random.text(VALUE, 30))];
}

function trim(value: string): string {
  return value.replace(/^[ \t]+|[ \t]+$/g, '');
}

function lines(random: Random, headers: readonly (readonly [string, string])[]): string {
  return headers
    .map(([name, value]) => {
      // a tab after a transfer coding is refused
      const after = name.length === 17 ? random.pick(['', ' ', '  ']) : random.pick(BLANKS);
      return `${name}:${random.pick(BLANKS)}${value}${after}\r\n`;
    })
    .join('');
}

function anyCase(random: Random, text: string): string {
  return random.pick([text, text.toLowerCase(), text.toUpperCase()]);
}

function reason(random: Random): string {
  return random.pick(['', ' ', ' OK', ' Not Found', ` ${random.text(VALUE, 20)}`]);
}

function chunks(random: Random, body: string): string {
  let text = '';
  for (let at = 0; at < body.length; ) {
    const length = 1 + random.below(Math.min(40, body.length - at));
    const size = `${random.pick(['', '', '', '0', '000'])}${anyCase(random, length.toString(16))}`;
    text += `${size}${extension(random)}\r\n${body.slice(at, at + length)}\r\n`;
    at += length;
  }
  return `${text}${random.pick(['0', '0', '00'])}${extension(random)}\r\n`;
}

function extension(random: Random): string {
  return random.chance(85) ? '' : random.pick([';a', ';a=b', ';name="quo\\"ted ;=";x=1', ';!=~']);
}

function interims(random: Random, count: number): string {
  let text = '';
  for (let left = count; left > 0; left--) {
    text += `HTTP/1.1 ${random.pick(['100 Continue', '103 Early Hints', '102 Processing', '199 '])}\r\n`;
    text += `${lines(random, random.chance(50) ? [header(random)] : [])}\r\n`;
  }
  return text;
}

/** One well-formed answer. */
export function generateResponse(random: Random): GeneratedResponse {
  const interim = random.chance(80) ? 0 : 1 + random.below(3);
  const head = interims(random, interim);
  return random.chance(4) ? makeUpgrade(random, head, interim) : makeMessage(random, head, interim);
}

function makeUpgrade(random: Random, interimText: string, interim: number): GeneratedResponse {
  const headers: [string, string][] = [['Connection', 'Upgrade'], ['Upgrade', 'websocket'], header(random)];
  const rest = random.text(ANY, 20);
  const wire = `${interimText}HTTP/1.1 101${reason(random)}\r\n${lines(random, headers)}\r\n${rest}`;
  const common = { method: 'GET', upgrade: true, status: 101, body: '', trailers: [], interim };
  return { ...common, wire, rawHeaders: headers.flat(), rest };
}

function makeMessage(random: Random, interimText: string, interim: number): GeneratedResponse {
  const method = random.chance(10) ? 'HEAD' : 'GET';
  const status = random.pick(STATUSES);
  const bodiless = method === 'HEAD' || status === 204 || status === 304;
  const framing = status === 204 ? 'none' : random.pick(['length', 'length', 'chunked', 'chunked', 'close']);
  const version = framing === 'chunked' || random.chance(85) ? '1.1' : '1.0';
  const body = bodiless ? '' : random.text(ANY, random.pick([0, 20, 200]));
  const headers = Array.from({ length: random.below(8) }, () => header(random));
  if (random.chance(30))
    headers.push(['Connection', random.pick(['keep-alive', 'close', 'Keep-Alive, X-Hop'])]);
  if (random.chance(20)) headers.push(['Keep-Alive', random.pick(['timeout=5', 'max=10, timeout=72'])]);
  const place = random.below(headers.length + 1);
  if (framing === 'length')
    headers.splice(place, 0, [anyCase(random, 'Content-Length'), String(bodiless ? 7 : body.length)]);
  if (framing === 'chunked')
    headers.splice(place, 0, [anyCase(random, 'Transfer-Encoding'), anyCase(random, 'chunked')]);
  const trailers =
    framing === 'chunked' && !bodiless && random.chance(30) ? [header(random), header(random)] : [];
  let wire = `${interimText}HTTP/${version} ${status}${reason(random)}\r\n${lines(random, headers)}\r\n`;
  if (framing !== 'chunked') wire += body;
  else if (!bodiless) wire += `${chunks(random, body)}${lines(random, trailers)}\r\n`;
  const common = { method, upgrade: false, status, body, interim, rest: '' };
  return { ...common, wire, rawHeaders: headers.flat(), trailers: trailers.flat() };
}
