/** Responses that a response parser refuses, each with the rule that it breaks. */
import type { ParseErrorKind } from '../../lib/http1/parse-errors.ts';
import type { ResponseRequest } from '../../lib/http1/response-parser.ts';

export interface RefusedResponse {
  readonly fault: ParseErrorKind;
  readonly title: string;
  /** Latin1. */
  readonly wire: string;
  readonly request?: Partial<ResponseRequest>;
}

const OK = 'HTTP/1.1 200 OK\r\n';
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;
const HEAD = { method: 'HEAD' };

export const REFUSED: readonly RefusedResponse[] = [
  { fault: 'status-line', title: 'another protocol', wire: 'SSH-2.0-OpenSSH_9.2\r\n' },
  { fault: 'status-line', title: 'a newer version', wire: 'HTTP/2.0 200 OK\r\n\r\n' },
  { fault: 'status-line', title: 'an unknown minor version', wire: 'HTTP/1.2 200 OK\r\n\r\n' },
  { fault: 'status-line', title: 'a lower-case protocol', wire: 'http/1.1 200 OK\r\n\r\n' },
  { fault: 'status-line', title: 'an empty line first', wire: `\r\n${OK}\r\n` },
  { fault: 'status-line', title: 'two spaces before the status', wire: 'HTTP/1.1  200 OK\r\n\r\n' },
  { fault: 'status-line', title: 'a tab before the status', wire: 'HTTP/1.1\t200 OK\r\n\r\n' },
  { fault: 'status-line', title: 'a status below 100', wire: 'HTTP/1.1 099 OK\r\n\r\n' },
  { fault: 'status-line', title: 'a status of two digits', wire: 'HTTP/1.1 20 OK\r\n\r\n' },
  { fault: 'status-line', title: 'a status of four digits', wire: 'HTTP/1.1 2000 OK\r\n\r\n' },
  { fault: 'status-line', title: 'a status that is no number', wire: 'HTTP/1.1 2x0 OK\r\n\r\n' },
  { fault: 'status-line', title: 'a line feed after the status', wire: 'HTTP/1.1 200\nA: b\r\n\r\n' },
  { fault: 'bare-lf', title: 'a line feed after the reason', wire: 'HTTP/1.1 200 OK\nA: b\r\n\r\n' },
  { fault: 'bare-cr', title: 'a carriage return within the reason', wire: 'HTTP/1.1 200 O\rK\r\n\r\n' },
  { fault: 'header-value', title: 'NUL in the reason', wire: 'HTTP/1.1 200 O\0K\r\n\r\n' },
  { fault: 'obs-fold', title: 'a folded line', wire: `${OK}A: b\r\n c\r\n\r\n` },
  { fault: 'obs-fold', title: 'a line folded with a tab', wire: `${OK}A: b\r\n\tc\r\n\r\n` },
  { fault: 'obs-fold', title: 'a blank before the first name', wire: `${OK} A: b\r\n\r\n` },
  { fault: 'header-name', title: 'a space before the colon', wire: `${OK}Content-Length : 1\r\n\r\na` },
  { fault: 'header-name', title: 'no name', wire: `${OK}: b\r\n\r\n` },
  { fault: 'header-name', title: 'no colon', wire: `${OK}A\r\n\r\n` },
  { fault: 'header-name', title: 'NUL in a name', wire: `${OK}A\0: b\r\n\r\n` },
  { fault: 'header-name', title: 'a byte above 0x7F in a name', wire: `${OK}\xe9: b\r\n\r\n` },
  { fault: 'header-name', title: 'a separator in a name', wire: `${OK}A(b): c\r\n\r\n` },
  { fault: 'bare-lf', title: 'a line feed in a name', wire: `${OK}A\n: b\r\n\r\n` },
  { fault: 'bare-lf', title: 'a line feed at the end of a value', wire: `${OK}A: b\nC: d\r\n\r\n` },
  { fault: 'bare-lf', title: 'a line feed for the empty line', wire: `${OK}A: b\r\n\n` },
  { fault: 'bare-cr', title: 'a carriage return within a value', wire: `${OK}A: b\rc\r\n\r\n` },
  { fault: 'bare-cr', title: 'a carriage return for the empty line', wire: `${OK}A: b\r\n\rx` },
  { fault: 'header-value', title: 'NUL in a value', wire: `${OK}A: b\0c\r\n\r\n` },
  { fault: 'header-value', title: 'DEL in a value', wire: `${OK}A: \x7f\r\n\r\n` },
  {
    fault: 'header-value',
    title: 'a vertical tab in a value',
    wire: `${OK}Transfer-Encoding:\x0bchunked\r\n\r\n`,
  },
  { fault: 'content-length', title: 'an empty length', wire: `${OK}Content-Length: \r\n\r\n` },
  { fault: 'content-length', title: 'a negative length', wire: `${OK}Content-Length: -1\r\n\r\n` },
  { fault: 'content-length', title: 'a length with a plus', wire: `${OK}Content-Length: +1\r\n\r\na` },
  { fault: 'content-length', title: 'a hexadecimal length', wire: `${OK}Content-Length: 0x1\r\n\r\na` },
  { fault: 'content-length', title: 'a broken length', wire: `${OK}Content-Length: 1.0\r\n\r\na` },
  {
    fault: 'content-length',
    title: 'a length with a blank in it',
    wire: `${OK}Content-Length: 1 1\r\n\r\na`,
  },
  { fault: 'content-length', title: 'a list with an empty item', wire: `${OK}Content-Length: 1,\r\n\r\na` },
  {
    fault: 'content-length',
    title: 'a length beyond 2^53',
    wire: `${OK}Content-Length: 9007199254740992\r\n\r\n`,
  },
  {
    fault: 'content-length',
    title: 'a length beyond 2^64',
    wire: `${OK}Content-Length: 18446744073709551617\r\n\r\n`,
  },
  {
    fault: 'content-length',
    title: 'a list beyond 2^53',
    wire: `${OK}Content-Length: 1, 9007199254740993\r\n\r\n`,
  },
  {
    fault: 'content-length-conflict',
    title: 'two lengths',
    wire: `${OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`,
  },
  {
    fault: 'content-length-conflict',
    title: 'a list of two lengths',
    wire: `${OK}Content-Length: 1, 2\r\n\r\nab`,
  },
  {
    fault: 'two-framings',
    title: 'chunked after a length',
    wire: `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  },
  {
    fault: 'two-framings',
    title: 'a length after chunked, to HEAD as well',
    wire: `${OK}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`,
    request: HEAD,
  },
  { fault: 'transfer-coding', title: 'another coding', wire: `${OK}Transfer-Encoding: gzip\r\n\r\n` },
  {
    fault: 'transfer-coding',
    title: 'another coding before',
    wire: `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n`,
  },
  { fault: 'transfer-coding', title: 'identity', wire: `${OK}Transfer-Encoding: identity\r\n\r\n` },
  { fault: 'transfer-coding', title: 'no coding', wire: `${OK}Transfer-Encoding:\r\n\r\n` },
  { fault: 'transfer-coding', title: 'a quoted coding', wire: `${OK}Transfer-Encoding: "chunked"\r\n\r\n` },
  {
    fault: 'transfer-coding',
    title: 'a tab after the coding',
    wire: `${OK}Transfer-Encoding: chunked\t\r\n\r\n`,
  },
  {
    fault: 'transfer-coding',
    title: 'chunked twice in a list',
    wire: `${OK}Transfer-Encoding: chunked, chunked\r\n\r\n`,
  },
  {
    fault: 'transfer-coding',
    title: 'chunked twice',
    wire: `${OK}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  },
  {
    fault: 'transfer-coding-1.0',
    title: 'chunked in HTTP/1.0',
    wire: 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  },
  {
    fault: 'unasked-upgrade',
    title: 'an upgrade nobody asked for',
    wire: 'HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\n',
  },
  {
    fault: 'nameless-upgrade',
    title: 'an upgrade that is not of this connection',
    wire: 'HTTP/1.1 101 S\r\nConnection: close\r\nUpgrade: x\r\n\r\n',
    request: { upgrade: true },
  },
  {
    fault: 'nameless-upgrade',
    title: 'an upgrade to nothing',
    wire: 'HTTP/1.1 101 S\r\nConnection: upgrade\r\n\r\n',
    request: { upgrade: true },
  },
  { fault: 'chunk-size', title: 'no chunk size', wire: `${CHUNKED}\r\nabc` },
  { fault: 'chunk-size', title: 'a chunk size that is no number', wire: `${CHUNKED}g\r\nabc` },
  { fault: 'chunk-size', title: 'a negative chunk size', wire: `${CHUNKED}-1\r\nabc` },
  { fault: 'chunk-size', title: 'a chunk size with 0x', wire: `${CHUNKED}0x3\r\nabc` },
  { fault: 'chunk-size', title: 'a space before the chunk size', wire: `${CHUNKED} 3\r\nabc` },
  { fault: 'chunk-size', title: 'a chunk size with +', wire: `${CHUNKED}+3\r\nabc` },
  { fault: 'chunk-size', title: 'a chunk size with _', wire: `${CHUNKED}3_0\r\nabc` },
  { fault: 'chunk-size', title: 'a tab before the chunk size', wire: `${CHUNKED}\t3\r\nabc` },
  { fault: 'chunk-size', title: 'a blank for a chunk size', wire: `${CHUNKED} \r\nabc` },
  {
    fault: 'chunk-extension',
    title: 'two chunk sizes',
    wire: `${CHUNKED}3 4\r\nabc\r\n0\r\n\r\n`,
  },
  {
    fault: 'chunk-extension',
    title: 'a vertical tab after the chunk size',
    wire: `${CHUNKED}3 \v\r\nabc\r\n0\r\n\r\n`,
  },
  {
    fault: 'chunk-extension',
    title: 'a line feed behind a blank',
    wire: `${CHUNKED}3 \nabc\r\n0\r\n\r\n`,
  },
  { fault: 'bare-cr', title: 'a carriage return behind a blank', wire: `${CHUNKED}3 \rabc\r\n` },
  { fault: 'chunk-size', title: 'a chunk size beyond 2^53', wire: `${CHUNKED}20000000000000\r\n` },
  {
    fault: 'chunk-size',
    title: 'a chunk size that wraps at 2^64',
    wire: `${CHUNKED}10000000000000003\r\nabc\r\n`,
  },
  { fault: 'chunk-size', title: 'endless padding', wire: `${CHUNKED}${'0'.repeat(20_000)}\r\n\r\n` },
  { fault: 'bare-lf', title: 'a line feed after the chunk size', wire: `${CHUNKED}3\nabc\r\n` },
  { fault: 'bare-cr', title: 'a carriage return after the chunk size', wire: `${CHUNKED}3\rabc\r\n` },
  { fault: 'chunk-end', title: 'more data than the chunk size', wire: `${CHUNKED}3\r\nabcd\r\n0\r\n\r\n` },
  { fault: 'chunk-end', title: 'a line feed after the data', wire: `${CHUNKED}3\r\nabc\n0\r\n\r\n` },
  { fault: 'chunk-end', title: 'a carriage return after the data', wire: `${CHUNKED}3\r\nabc\r0\r\n\r\n` },
  { fault: 'chunk-extension', title: 'an extension without a name', wire: `${CHUNKED}3;\r\nabc\r\n` },
  { fault: 'chunk-extension', title: 'an extension without a value', wire: `${CHUNKED}3;a=\r\nabc\r\n` },
  { fault: 'chunk-extension', title: 'a line feed in an extension', wire: `${CHUNKED}3;a\nabc\r\n0\r\n\r\n` },
  { fault: 'chunk-extension', title: 'an open quote in an extension', wire: `${CHUNKED}3;a="b\r\nabc\r\n` },
  {
    fault: 'chunk-extension',
    title: 'an endless extension',
    wire: `${CHUNKED}3;${'a'.repeat(16_384)}\r\nabc\r\n`,
  },
  { fault: 'obs-fold', title: 'a folded trailer', wire: `${CHUNKED}0\r\nA: b\r\n c\r\n\r\n` },
  { fault: 'header-name', title: 'a trailer without a colon', wire: `${CHUNKED}0\r\nA\r\n\r\n` },
  { fault: 'bare-lf', title: 'a line feed after the last chunk', wire: `${CHUNKED}0\r\n\n` },
];
