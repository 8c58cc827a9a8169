/** Handshakes that look alike, from one port of a client to several addresses of ours; and those whose client has gone. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, connect as netConnect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { TlsServer } from '../../../lib/proxy/downstream/tls/tls-server.ts';
import type { ClientInfo } from '../../../lib/proxy/headers/request-headers.ts';
import { eventually } from '../../helpers/eventually.ts';
import { testMaterial } from '../../helpers/proxy/certificates.ts';

const OPTIONS = { tlsMin: '1.2', tlsStrictSni: false, http2: false } as const;
const ADDRESSES = ['127.0.0.1', '127.0.0.2'] as const;

test('handshakes from one client port to two addresses are told apart', async (t) => {
  const secure: string[] = [];
  const tls = new TlsServer(OPTIONS, testMaterial(), {
    onSecure: (socket, { ip }) => secure.push(`${ip} ${socket.localAddress}`),
    onHandshakeFailed: () => {},
  });
  const server = createServer({ pauseOnConnect: true }).listen(0, '0.0.0.0');
  t.after(() => server.close());
  await once(server, 'listening');
  server.on('connection', (socket) => {
    t.after(() => socket.destroy());
    // what the connection is known by, here its address of ours
    const info: Partial<ClientInfo> = { ip: socket.localAddress! };
    tls.accept(socket, info as ClientInfo, 0);
  });
  const { port } = server.address() as AddressInfo;
  const clients: Socket[] = [];
  t.after(() => clients.forEach((client) => void client.destroy()));
  let localPort = 0;
  for (const host of ADDRESSES) {
    const client = netConnect({ host, port, localAddress: '127.0.0.1', localPort });
    clients.push(client);
    await once(client, 'connect');
    localPort = client.localPort!;
  }
  await eventually('both accepted', () => tls.size === ADDRESSES.length);
  for (const socket of clients) connect({ socket, rejectUnauthorized: false }).on('error', () => {});
  await eventually('both secure', () => secure.length === ADDRESSES.length);
  assert.deepEqual(
    secure.sort(),
    ADDRESSES.map((address) => `${address} ${address}`),
  );
});

/** The first that a client sends. */
function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const write = (chunk: Buffer, _: BufferEncoding, done: () => void): void => {
      resolve(chunk);
      done();
    };
    connect({ socket: new Duplex({ read() {}, write }) }).on('error', () => {});
  });
}

test('a handshake is over as soon as its client has sent its last', async (t) => {
  let failed = 0;
  const tls = new TlsServer(OPTIONS, testMaterial(), {
    onSecure: () => {},
    onHandshakeFailed: () => failed++,
  });
  // as the listener accepts: half-closed connections are served
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  server.on('connection', (socket) => {
    t.after(() => socket.destroy());
    tls.accept(socket, {} as ClientInfo, 0);
  });
  const { port } = server.address() as AddressInfo;
  const open = async (): Promise<Socket> => {
    const client = netConnect({ host: '127.0.0.1', port, allowHalfOpen: true });
    t.after(() => client.destroy());
    await once(client, 'connect');
    return client;
  };
  const hello = await clientHello();
  const [half, whole, answered] = [await open(), await open(), await open()];
  half.end(hello.subarray(0, 50));
  whole.end(hello);
  answered.write(hello);
  await once(answered, 'data');
  answered.end();
  await eventually('all are over', () => failed === 3);
  assert.equal(tls.size, 0);
});
