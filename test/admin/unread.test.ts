/** Clients that do not read what they are sent, when the server closes. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { eventStream } from '../../lib/admin/event-stream.ts';
import { succeeded } from '../../lib/admin/reply.ts';
import type { Route } from '../../lib/admin/routes/fleet.ts';
import { requestText, runAdmin } from '../helpers/admin/admin.ts';
import { eventually } from '../helpers/eventually.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

const CHANNEL = 'net.server.socket';
const PIECE = 'x'.repeat(65_536);

/** An admin server with this route, a client that asks for it and never reads, and the server's side of that. */
async function unread(t: TestContext, clock: FakeClock, route: Route) {
  const admin = await runAdmin({ routes: [route], access: { clock } });
  const accepted: Socket[] = [];
  const onSocket = (message: unknown): void => {
    accepted.push((message as { readonly socket: Socket }).socket);
  };
  subscribe(CHANNEL, onSocket);
  const client = connect(admin.port, '127.0.0.1');
  t.after(() => {
    unsubscribe(CHANNEL, onSocket);
    client.destroy();
  });
  client.on('error', () => {});
  client.pause();
  client.write(requestText('GET', route.path));
  await eventually('the connection', () => accepted.length > 0);
  return { admin, client, socket: accepted[0]! };
}

test('a stream that its client has stopped reading does not keep the server from closing', async (t) => {
  const clock = new FakeClock();
  let write: ((text: string) => void) | undefined;
  const { admin, socket } = await unread(t, clock, {
    path: '/flood',
    methods: ['GET'],
    access: 'open',
    handle: () =>
      eventStream(clock, (writeText) => {
        write = writeText;
        return () => {};
      }),
  });
  await eventually('the stream', () => write !== undefined);
  // until nothing more fits into the buffers of the kernel
  await eventually('unread bytes', () => {
    if (socket.writableLength === 0) write?.(PIECE);
    return socket.writableLength > 0;
  });
  const closed = admin.server.close();
  assert.equal(socket.destroyed, false, 'it has a moment to read the rest');
  clock.advance(1000);
  await closed;
});

test('nor does a response', async (t) => {
  const clock = new FakeClock();
  const { admin, socket } = await unread(t, clock, {
    path: '/large',
    methods: ['GET'],
    access: 'open',
    // more than the buffers of the kernel hold
    handle: () => succeeded(PIECE.repeat(512)),
  });
  await eventually('unread bytes', () => socket.writableLength > 0);
  const closed = admin.server.close();
  clock.advance(1000);
  await closed;
});

test('a request that is still worked on is waited for', async (t) => {
  const clock = new FakeClock();
  const work = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const { admin, client, socket } = await unread(t, clock, {
    path: '/slow',
    methods: ['GET'],
    access: 'open',
    async handle() {
      begun.resolve();
      await work.promise;
      return succeeded('done');
    },
  });
  await begun.promise;
  const closed = admin.server.close();
  clock.advance(5000);
  assert.equal(socket.destroyed, false);
  work.resolve();
  client.resume();
  await closed;
});
