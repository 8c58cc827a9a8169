/** What the data path reads of sockets beyond Node's public API holds on encrypted sockets too. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import {
  descriptorOf,
  queuedBytesOf,
  READ_INTO,
  readAsStream,
  readInto,
  readRaw,
} from '../../../lib/proxy/io/node-internals.ts';
import { UnsentBytes } from '../../../lib/proxy/io/unsent-bytes.ts';
import { eventually } from '../../helpers/eventually.ts';
import { testMaterial } from '../../helpers/proxy/certificates.ts';

/** Both ends of a TLS connection whose server side came about as in the balancer. */
async function pair(t: TestContext): Promise<{ server: TLSSocket; client: TLSSocket }> {
  const { cert, key } = testMaterial().certificates[0]!;
  const tls = createTlsServer({ cert, key });
  const tcp = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  tcp.on('connection', (socket: Socket) => tls.emit('connection', socket));
  tcp.listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const { port } = tcp.address() as AddressInfo;
  const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  const [server] = (await once(tls, 'secureConnection')) as [TLSSocket];
  for (const socket of [server, client]) socket.on('error', () => {});
  t.after(() => {
    client.destroy();
    server.destroy();
    tcp.close();
  });
  return { server, client };
}

test('an encrypted socket is read into memory of ours', async (t) => {
  const { server, client } = await pair(t);
  let text = '';
  assert.ok(
    readRaw(server, (bytes, buffer) => {
      assert.equal(buffer, READ_INTO);
      text += buffer.toString('latin1', 0, bytes);
      return true;
    }),
  );
  server.resume();
  client.write('x'.repeat(100_000));
  await eventually('all was read', () => text.length === 100_000);
  assert.equal(server.readableLength, 0);
});

test('each read of an encrypted socket goes where it is told', async (t) => {
  const { server, client } = await pair(t);
  const block = Buffer.alloc(1_000_000);
  let filled = 0;
  readRaw(server, (bytes, buffer) => {
    if (buffer.buffer === block.buffer) filled += bytes;
    return true;
  });
  server.resume();
  client.write('x');
  await eventually('the first was read', () => server.bytesRead > 0);
  readInto(server, () => block.subarray(filled));
  client.write('y');
  await eventually('the second was read', () => server.bytesRead > 1);
  client.write('z'.repeat(500_000));
  await eventually('the rest was read', () => server.bytesRead === 500_002);
  assert.equal(filled, 500_000);
  assert.equal(block.toString('latin1', 0, filled), 'z'.repeat(500_000));
});

test('an encrypted socket that is paused is read no further', async (t) => {
  const { server, client } = await pair(t);
  let read = 0;
  readRaw(server, (bytes) => {
    read += bytes;
    server.pause();
    return true;
  });
  server.resume();
  client.write('x'.repeat(30_000_000));
  await eventually('it was read once', () => read > 0);
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(client.writableLength > 10_000_000, `${read} were read`);
});

test('an encrypted socket becomes an ordinary stream again', async (t) => {
  const { server, client } = await pair(t);
  readRaw(server, () => true);
  server.resume();
  client.write('raw');
  await eventually('it was read', () => server.bytesRead === 3);
  readAsStream(server);
  client.write('stream');
  const [chunk] = (await once(server, 'data')) as [Buffer];
  assert.equal(chunk.toString(), 'stream');
});

test('what an encrypted peer has not taken is known', { skip: process.platform !== 'linux' }, async (t) => {
  const { server, client } = await pair(t);
  client.pause();
  assert.ok((descriptorOf(server) ?? -1) > 0);
  server.write('x'.repeat(20_000_000));
  const unsent = new UnsentBytes(() => performance.now() * 1e6);
  await eventually('the peer is full', () => unsent.bytesOf(server) > 100_000);
  const before = unsent.bytesOf(server);
  assert.ok(queuedBytesOf(server) > 100_000, 'most of it is queued in this process');
  client.resume();
  await eventually('the peer takes it', () => unsent.bytesOf(server) < before);
});
