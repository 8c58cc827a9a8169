import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Route, RouteRequest } from '../../../lib/admin/routes/fleet.ts';
import { type Running, requestText, runAdmin } from '../../helpers/admin/admin.ts';
import { eventually } from '../../helpers/eventually.ts';

/** What a route was asked, what it may write to, and how often it was told to stop. */
interface Seen {
  asked: RouteRequest | undefined;
  write: ((text: string) => void) | undefined;
  ended: number;
}

describe('an answer that goes on', () => {
  const seen: Seen = { asked: undefined, write: undefined, ended: 0 };
  const route: Route = {
    path: '/news',
    methods: ['GET', 'HEAD'],
    access: 'watch',
    handle(asked) {
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

  describe('of which one address has 64', () => {
    // the other tests leave some open
    let admin: Running;
    before(async () => {
      admin = await runAdmin({ routes: [route] });
    });
    after(() => admin.stop());
    const open = async (count: number) => {
      const clients = [];
      for (let number = 0; number < count; number++) {
        const client = await admin.connect();
        client.send(requestText('GET', '/news'));
        clients.push(client);
        await eventually('a head', () => client.received.includes('\r\n\r\n'));
      }
      return clients;
    };
    const statusOf = ({ received }: { readonly received: string }) => Number(received.split(' ')[1]);

    it('is refused with 429 until another is closed', async () => {
      const clients = await open(64);
      assert.ok(clients.every((client) => statusOf(client) === 200));
      const { status, headers, body } = await admin.ask('GET', '/news');
      assert.deepEqual(
        [status, JSON.parse(body).message],
        [429, '<Error> This address has 64 event streams open, as many as it may; close one, then ask again'],
      );
      assert.equal(headers['retry-after'], '5');
      clients[0]!.close();
      await eventually('room for one more', async () => {
        const [client] = await open(1);
        clients.push(client!);
        return statusOf(client!) === 200;
      });
      for (const client of clients) client.close();
    });

    it('does not count HEAD requests or closed connections', async () => {
      for (let times = 0; times < 70; times++) assert.equal((await admin.ask('HEAD', '/news')).status, 200);
      for (let times = 0; times < 70; times++) {
        const client = await admin.connect();
        client.send(requestText('GET', '/news'));
        client.close();
      }
      await eventually('a stream', async () => {
        const [client] = await open(1);
        client!.close();
        return statusOf(client!) === 200;
      });
    });

    it('counts each request of a connection until that closes', async () => {
      const client = await admin.connect();
      client.send(requestText('GET', '/news').repeat(70));
      await eventually('the first', () => client.received.includes('\r\n\r\n'));
      await eventually('no room for another', async () => (await admin.ask('GET', '/news')).status === 429);
      client.close();
      await eventually('room for another', async () => {
        const [other] = await open(1);
        other!.close();
        return statusOf(other!) === 200;
      });
    });
  });
});
