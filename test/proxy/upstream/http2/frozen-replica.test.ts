/** A replica over HTTP/2 that falls silent while its connection stays open, as a process does that is stopped. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { eventually } from '../../../helpers/eventually.ts';
import { get, headerOf, post, statusOf } from '../../../helpers/proxy/message.ts';
import { Rig } from '../../../helpers/proxy/rig.ts';

async function listening(server: {
  listen(port: number, host: string): unknown;
  address(): unknown;
}): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server as Http2Server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A replica behind a wire, on which what it says can be held back. */
async function behindWire(t: TestContext) {
  const server = createServer();
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {});
    if (headers[':path'] === '/never') return;
    stream.respond({ ':status': 200 }, { endStream: true });
  });
  const port = await listening(server);
  const wires: { readonly near: Socket; readonly far: Socket }[] = [];
  const wire = createTcpServer({ allowHalfOpen: true }, (near) => {
    const far = connect(port, '127.0.0.1');
    wires.push({ near, far });
    for (const socket of [near, far]) socket.on('error', () => {});
    near.pipe(far);
    far.pipe(near);
  });
  const wirePort = await listening(wire);
  const rig = await Rig.open(t, { upstreamProtocol: 'h2', retries: 0, responseTimeoutMs: 10_000 });
  t.after(() => {
    for (const { near, far } of wires) {
      near.destroy();
      far.destroy();
    }
    server.close();
    wire.close();
  });
  rig.place(0, { host: '127.0.0.1', port: wirePort });
  const [held, other] = [await rig.client(), await rig.client()];
  const request = async (path = '/'): Promise<number> => {
    other.send(get(path));
    return statusOf(await rig.elapse(other.response()));
  };
  return { rig, held, request, wires };
}

test('after a timeout in silence later requests get a new session', async (t) => {
  const { rig, held, request, wires } = await behindWire(t);
  assert.equal(await request(), 200);
  wires[0]!.far.unpipe();
  const first = await rig.client();
  first.send(get('/'));
  await eventually('a request in flight', () => rig.inFlight === 1);
  rig.advance(6000);
  // a later one goes on waiting, and keeps the session
  held.send(get('/never'));
  await eventually('another', () => rig.inFlight === 2);
  assert.equal(statusOf(await rig.elapse(first.response())), 504);
  assert.equal(rig.inFlight, 1);
  assert.equal(await request(), 200);
  assert.equal(wires.length, 2);
});

test('a timeout beside responses of others keeps the session', async (t) => {
  const { held, request, rig, wires } = await behindWire(t);
  held.send(get('/never'));
  await eventually('a request in flight', () => rig.inFlight === 1);
  const timedOut = held.response();
  for (let count = 0; count < 10; count++) {
    rig.advance(900);
    assert.equal(await request(), 200);
  }
  assert.equal(statusOf(await rig.elapse(timedOut)), 504);
  assert.equal(await request(), 200);
  assert.equal(wires.length, 1);
});

test('requests given up by their clients in silence end the session too', async (t) => {
  const { rig, held, request, wires } = await behindWire(t);
  assert.equal(await request(), 200);
  wires[0]!.far.unpipe();
  held.send(get('/never'));
  await eventually('a request in flight', () => rig.inFlight === 1);
  for (let count = 0; count < 2; count++) {
    const client = await rig.client();
    client.send(get('/'));
    await eventually('another', () => rig.inFlight === 2);
    rig.advance(3000);
    client.close();
    await eventually('one that is given up', () => rig.inFlight === 1);
  }
  assert.equal(await request(), 200);
  assert.equal(wires.length, 2);
});

test('a session whose replica is silent closes without it', async (t) => {
  const { rig, request, wires } = await behindWire(t);
  assert.equal(await request(), 200);
  const [{ near, far }] = wires as [(typeof wires)[0]];
  far.unpipe();
  const ended = once(near, 'end');
  rig.closeIdle();
  await ended;
  // half open here: nothing but a connection that is wholly closed refuses what is written
  await eventually('a closed connection', () => {
    near.write('x');
    return near.destroyed;
  });
});

const SERVER = `
const server = require('node:http2').createServer();
server.on('stream', (stream) => {
  stream.respond({ ':status': 200, 'served-by': server.address().port }, { endStream: true });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`;

async function startServer(t: TestContext): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const child = spawn(process.execPath, ['-e', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const [line] = await once(child.stdout!, 'data');
  return { child, port: Number(String(line)) };
}

test('requests go on elsewhere while a replica is stopped, and back', async (t) => {
  const rig = await Rig.open(t, { upstreamProtocol: 'h2', replicas: 2, responseTimeoutMs: 10_000 });
  const [first, second] = [await startServer(t), await startServer(t)];
  rig.place(0, { host: '127.0.0.1', port: first.port });
  rig.place(1, { host: '127.0.0.1', port: second.port });
  const client = await rig.client();
  // what a replica may have begun to work on is not sent to another one
  const request = async (): Promise<string> => {
    client.send(post('/', 'body', rig.ownedBy(0)));
    const response = await rig.elapse(client.response());
    return `${statusOf(response)} ${headerOf(response, 'served-by')}`;
  };
  assert.equal(await request(), `200 ${first.port}`);
  first.child.kill('SIGSTOP');
  // the session is open and takes the request
  assert.equal(await request(), '504 undefined');
  // a new one is not: its settings do not come, and the request goes to the other replica
  assert.equal(await request(), `200 ${second.port}`);
  first.child.kill('SIGCONT');
  // as a probe that passes
  rig.setState(0, 'healthy');
  await eventually('a response of the first', async () => (await request()) === `200 ${first.port}`);
  await rig.settled();
});
