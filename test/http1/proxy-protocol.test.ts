/** Headers of the PROXY protocol: what they say, at any cut, and what is no header. */
import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProxyHeaderError, readProxyHeader } from '../../lib/http1/proxy-protocol.ts';
import { proxyV2 } from '../helpers/proxy/proxy-headers.ts';

const v1 = (line: string): Buffer => Buffer.from(`${line}\r\n`, 'latin1');

const GOOD: readonly (readonly [what: string, bytes: Buffer, source: string | undefined])[] = [
  ['v1 with IPv4', v1('PROXY TCP4 192.0.2.1 198.51.100.7 56324 443'), '192.0.2.1'],
  ['v1 with IPv6', v1('PROXY TCP6 2001:DB8:0:0::1 2001:db8::2 1 65535'), '2001:db8::1'],
  ['v1 with mapped IPv4', v1('PROXY TCP6 ::ffff:192.0.2.1 ::1 0 0'), '192.0.2.1'],
  ['v1 of an unknown client', v1('PROXY UNKNOWN'), undefined],
  ['v1 of an unknown client with a rest', v1('PROXY UNKNOWN ffff:f...f:ffff 1 2'), undefined],
  ['v2 with IPv4', proxyV2('192.0.2.1'), '192.0.2.1'],
  ['v2 with IPv6', proxyV2('2001:db8::1'), '2001:db8::1'],
  ['v2 with extensions', proxyV2('192.0.2.1', { extra: Buffer.alloc(3000, 7) }), '192.0.2.1'],
  ['v2 LOCAL, of a health check', proxyV2('192.0.2.1', { command: 0 }), undefined],
  ['v2 LOCAL of a kind that nobody knows', proxyV2('192.0.2.1', { command: 0, family: 0x44 }), undefined],
  ['v2 of a UDP client', proxyV2('192.0.2.1', { family: 0x12 }), '192.0.2.1'],
  ['v2 of an unspecified family, with extensions', proxyV2('192.0.2.1', { family: 0 }), undefined],
  ['v2 as long as can be', proxyV2('192.0.2.1', { extra: Buffer.alloc(65_535 - 12) }), '192.0.2.1'],
  ['v2 of a Unix socket', proxyV2('', { family: 0x31, addresses: Buffer.alloc(216) }), undefined],
  ['v2 of an unspecified family', proxyV2('', { family: 0, addresses: Buffer.alloc(0) }), undefined],
];

for (const [what, bytes, source] of GOOD) {
  test(`reads ${what} at any cut`, () => {
    for (let cut = 0; cut < bytes.length; cut += cut < 4000 ? 1 : 997)
      assert.equal(readProxyHeader(bytes.subarray(0, cut)), undefined, `cut at ${cut}`);
    const expected = { source, length: bytes.length };
    assert.deepEqual(readProxyHeader(bytes), expected);
    assert.deepEqual(readProxyHeader(Buffer.concat([bytes, Buffer.from('GET / HTTP/1.1')])), expected);
  });
}

const patched = (at: number, byte: number): Buffer => {
  const bytes = proxyV2('192.0.2.1');
  bytes[at] = byte;
  return bytes;
};

const BAD: readonly (readonly [what: string, bytes: Buffer])[] = [
  ['a request', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ['a TLS hello', Buffer.of(0x16, 3, 1)],
  ['v1 in lower case', Buffer.from('proxy ')],
  ['v1 without a CR', Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n')],
  ['v1 with two blanks', v1('PROXY TCP4  192.0.2.1 192.0.2.2 1 2')],
  ['v1 with addresses of the other family', v1('PROXY TCP4 2001:db8::1 192.0.2.2 1 2')],
  ['v1 with a name', v1('PROXY TCP4 example.org 192.0.2.2 1 2')],
  ['v1 with an octal address', v1('PROXY TCP4 192.0.02.1 192.0.2.2 1 2')],
  ['v1 with a port above 65535', v1('PROXY TCP4 192.0.2.1 192.0.2.2 1 65536')],
  ['v1 with a port that begins with 0', v1('PROXY TCP4 192.0.2.1 192.0.2.2 01 2')],
  ['v1 with a zone', v1('PROXY TCP6 fe80::1%eth0 ::1 1 2')],
  ['v1 with a field too many', v1('PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3')],
  ['v1 longer than 107 bytes', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(100)}`)],
  ['v2 of version 1', patched(12, 0x11)],
  ['v2 with an unknown command', patched(12, 0x22)],
  ['v2 with an unknown family', patched(13, 0x41)],
  ['v2 with an unknown transport', patched(13, 0x13)],
  ['v2 with a family and no transport', patched(13, 0x10)],
  ['v2 with a transport and no family', patched(13, 0x01)],
  ['v2 with addresses cut short', patched(15, 11)],
  ['a signature with a wrong byte', Buffer.from('\r\n\r\n\0\r\nQUIT\r')],
];

for (const [what, bytes] of BAD) {
  test(`refuses ${what}`, () => assert.throws(() => readProxyHeader(bytes), ProxyHeaderError));
}

test('takes any bytes without another error, the same at any cut', () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    fc.constantFrom(...GOOD.map(([, bytes]) => bytes), ...BAD.map(([, bytes]) => bytes)),
  );
  const spoilt = fc.tuple(piece, fc.nat(80), fc.nat(255)).map(([bytes, at, byte]) => {
    const copy = Buffer.from(bytes);
    if (at < copy.length) copy[at] = byte;
    return copy;
  });
  const outcome = (bytes: Buffer): string | undefined => {
    try {
      const header = readProxyHeader(bytes);
      if (header?.source !== undefined) assert.notEqual(isIP(header.source), 0);
      return header && JSON.stringify(header);
    } catch (error) {
      assert.ok(error instanceof ProxyHeaderError, String(error));
      return 'refused';
    }
  };
  fc.assert(
    fc.property(fc.oneof(piece, spoilt), (bytes) => {
      // the first outcome on the way is the outcome of all
      let first: string | undefined;
      for (let cut = 0; cut <= bytes.length && first === undefined; cut++)
        first = outcome(bytes.subarray(0, cut));
      assert.equal(outcome(bytes), first);
    }),
    { numRuns: 500 },
  );
});
