/** Headers of the PROXY protocol as they come in pieces: what is kept of them, and what it costs. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { ProxyHeaderReader } from '../../../lib/proxy/downstream/proxy-header.ts';
import { proxyV2 } from '../../helpers/proxy/proxy-headers.ts';

/** All extensions that the length of a header has room for. */
const LONGEST_EXTENSION = 65_535 - 12;

test('the longest header, byte by byte, is copied a few times only', async (t) => {
  const header = proxyV2('192.0.2.1', { extra: Buffer.alloc(LONGEST_EXTENSION) });
  const pieces = Array.from(header, (byte) => Buffer.of(byte));
  let copied = 0;
  const count = (bytes: number): void => {
    copied += bytes;
  };
  const { concat, allocUnsafe } = Buffer;
  t.mock.method(Buffer, 'concat', (list: readonly Uint8Array[], length?: number) => {
    const joined = concat(list, length);
    count(joined.length);
    return joined;
  });
  t.mock.method(Buffer, 'allocUnsafe', (size: number) => {
    count(size);
    return allocUnsafe(size);
  });
  const wire = new PassThrough();
  const found = new Promise<string | undefined>((resolve, reject) => {
    const reader = new ProxyHeaderReader({
      onProxyHeader: (_socket, source) => resolve(source),
      onBadProxyHeader: () => reject(new Error('refused')),
    });
    reader.read(wire as unknown as Socket, 0, true);
  });
  for (const piece of pieces) {
    wire.push(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(await found, '192.0.2.1');
  assert.ok(copied < 6 * header.length, `${copied} bytes for a header of ${header.length}`);
  wire.push('behind');
  if (wire.readableLength === 0) await once(wire, 'readable');
  assert.equal(String(wire.read()), 'behind');
});
