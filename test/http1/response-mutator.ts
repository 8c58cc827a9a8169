/** Mutations of a well-formed response: bytes changed, lost, doubled or put in, and lines that attacks are made of. */
import type { Random } from '../helpers/random.ts';

const INSERTS = [
  '\r',
  '\n',
  '\r\n',
  '\0',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '0',
  '-',
  '"',
  '\x80',
  '\x7f',
  '\x0b',
  '\r\n\r\n',
];
const LINES = [
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: identity\r\n',
  'Transfer-Encoding: gzip, chunked\r\n',
  'Transfer-Encoding : chunked\r\n',
  'Transfer-Encoding:\x0bchunked\r\n',
  'Transfer-Encoding:\tchunked\r\n',
  'Transfer-Encoding: chunked\t\r\n',
  'Transfer-Encoding: chunked, chunked\r\n',
  'Transfer-Encoding: "chunked"\r\n',
  'Transfer-Encoding:\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n',
  'Content-Length: 5, 5\r\n',
  'Content-Length: +5\r\n',
  'Content-Length: 5\t\r\n',
  'Content-Length: 05\r\n',
  'Content-Length: 5 5\r\n',
  'Content-Length: 0x5\r\n',
  'Content-Length: 99999999999999999999\r\n',
  'Content-Length:\r\n',
  ' folded\r\n',
  'Connection: close, content-length, transfer-encoding\r\n',
  'Upgrade: websocket\r\n',
  'HTTP/1.1 200 OK\r\n',
];

/** Spoils a response in one to three places; it may still be well-formed. */
export function mutate(random: Random, wire: string): string {
  let spoilt = wire;
  for (let left = 1 + random.below(3); left > 0; left--) spoilt = spoilOnce(random, spoilt);
  return spoilt;
}

function spoilOnce(random: Random, wire: string): string {
  // most of the rules are about heads, so that is where most of the harm is done
  const head = wire.indexOf('\r\n\r\n') + 4;
  const at = random.below(random.chance(70) && head > 4 ? head : wire.length + 1);
  const before = wire.slice(0, at);
  const after = wire.slice(at);
  switch (random.below(8)) {
    case 0:
      return (
        before + String.fromCharCode((after.charCodeAt(0) ^ (1 << random.below(8))) & 255) + after.slice(1)
      );
    case 1:
      return before + after.slice(1 + random.below(3));
    case 2:
      return before + after.slice(0, 1 + random.below(30)) + after;
    case 3:
      return before + random.pick(INSERTS) + after;
    case 4:
      return before + random.pick(INSERTS) + after.slice(1);
    case 5:
      return before;
    case 6:
      return `${before}${String.fromCharCode(random.below(256))}${after.slice(1)}`;
    default: {
      const line = wire.indexOf('\r\n', at) + 2;
      return wire.slice(0, line) + random.pick(LINES) + wire.slice(line);
    }
  }
}
