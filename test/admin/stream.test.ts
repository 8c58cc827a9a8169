import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Asked, Route } from '../../lib/admin/api.ts';
import { type Running, requestText, runAdmin } from '../helpers/admin.ts';
import { eventually } from '../helpers/eventually.ts';

/** What a route was asked, what it may write to, and how often it was told to stop. */
interface Seen {
  asked: Asked | undefined;
  write: ((text: string) => void) | undefined;
  ended: number;
}

describe('an answer that goes on', () => {
  const seen: Seen = { asked: undefined, write: undefined, ended: 0 };
  const route: Route = {
    path: '/news',
    methods: ['GET', 'HEAD'],
    access: 'watch',
    answer(asked) {
      seen.asked = asked;
      return {
        status: 200,
        headers: { 'content-type': 'text/event-stream' },
        begin(write) {
          seen.write = write;
          return () => seen.ended++;
        },
      };
    },
  };
  let admin: Running;
  before(async () => {
    admin = await runAdmin({ routes: [route] });
  });
  after(() => admin.stop());
  beforeEach(() => {
    seen.asked = undefined;
    seen.write = undefined;
    seen.ended = 0;
  });

  const begin = async () => {
    const client = await admin.connect();
    client.send(requestText('GET', '/news?since=4&x=%20', { headers: { 'Last-Event-ID': '7' } }));
    await eventually('the stream', () => seen.write !== undefined);
    return { client, write: seen.write! };
  };

  it('reaches the client piece by piece', async () => {
    const { client, write } = await begin();
    write('data: 1\n\n');
    await eventually('the first piece', () => client.received.includes('data: 1'));
    assert.match(client.received, /^HTTP\/1\.1 200 OK\r\ncontent-type: text\/event-stream/);
    write('data: 2\n\n');
    await eventually('the second piece', () => client.received.includes('data: 2'));
  });

  it('knows the query and the headers of its request', async () => {
    await begin();
    assert.equal(seen.asked?.query.get('since'), '4');
    assert.equal(seen.asked?.query.get('x'), ' ');
    assert.equal(seen.asked?.headers['last-event-id'], '7');
    assert.equal(seen.asked?.method, 'GET');
  });

  it('hears once that its client has gone', async () => {
    const { client } = await begin();
    client.close();
    await eventually('the end', () => seen.ended === 1);
  });

  it('is cut when its client reads nothing', async () => {
    const { client, write } = await begin();
    client.socket.pause();
    const piece = 'x'.repeat(256 * 1024);
    for (let sent = 0; sent < 64 && seen.ended === 0; sent++) {
      write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(seen.ended, 1);
  });

  it('is its head alone for HEAD', async () => {
    const { status } = await admin.ask('HEAD', '/news');
    assert.equal(status, 200);
    assert.equal(seen.write, undefined);
  });

  it('ends when the server closes', async () => {
    const own = await runAdmin({ routes: [route] });
    const client = await own.connect();
    client.send(requestText('GET', '/news'));
    await eventually('the stream', () => seen.write !== undefined);
    await own.server.close();
    assert.equal(seen.ended, 1);
  });
});
