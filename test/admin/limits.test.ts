import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRoutes } from '../../lib/admin/routes/fleet.ts';
import { createAdminServer } from '../../lib/admin/server.ts';
import { fakeFleet, OPEN, type Running, requestText, runAdmin } from '../helpers/admin/admin.ts';
import { eventually } from '../helpers/eventually.ts';
import { RawClient } from '../helpers/raw-http.ts';
import { silentLogger } from '../helpers/silent-logger.ts';

const failure = (message: string) => JSON.stringify({ message: `<Error> ${message}`, status: 'failure' });
const ADD = 'POST /add HTTP/1.1\r\nHost: localhost\r\n';

describe('the limits of the admin server', () => {
  async function withAdmin(limits: Parameters<typeof runAdmin>[0], run: (admin: Running) => Promise<void>) {
    const admin = await runAdmin(limits);
    try {
      await run(admin);
    } finally {
      await admin.stop();
    }
  }

  it('answer a body that never ends with 408, and close', async () => {
    await withAdmin({ limits: { bodyIdleMs: 20 } }, async (admin) => {
      const client = await admin.connect();
      client.send(`${ADD}Content-Length: 7\r\n\r\n{"n"`);
      const { status, headers, body } = await client.response();
      assert.equal(status, 408);
      assert.equal(headers.connection, 'close');
      assert.equal(body, failure('The request did not arrive in time'));
      assert.equal(await client.end(), '');
      assert.deepEqual(admin.fleet.asked, []);
    });
  });

  it('answer a head that never ends with 408, and close', async () => {
    await withAdmin({ limits: { headerMs: 20 } }, async (admin) => {
      const client = await admin.connect();
      client.send('GET /rep HTT');
      const { status, body } = await client.response();
      assert.equal(status, 408);
      assert.equal(body, failure('The request did not arrive in time'));
      await client.end();
    });
  });

  it('destroy a connection that a refused client keeps open', async () => {
    await withAdmin({}, async (admin) => {
      const client = await admin.connect();
      client.send(`${ADD}Content-Length: 70000\r\n\r\n`);
      await client.end();
      // our side is still open; once theirs is gone, writing fails
      await eventually('the connection to be gone', () => {
        client.send('x');
        return client.socket.destroyed;
      });
    });
  });

  it('close a connection that is idle between requests', async () => {
    await withAdmin({ limits: { keepAliveMs: 1 } }, async (admin) => {
      const client = await admin.connect();
      client.send(requestText('GET', '/rep'));
      await client.response();
      assert.equal(await client.end(), '');
    });
  });

  it('bound the connections, and take new ones when others have gone', async () => {
    await withAdmin({ limits: { maxConnections: 2 } }, async (admin) => {
      const first = await admin.connect();
      const second = await admin.connect();
      for (const client of [first, second]) {
        client.send(requestText('GET', '/rep'));
        await client.response();
      }
      const third = await admin.connect();
      assert.equal(await third.end(), '');
      first.close();
      await eventually('a place', async () => (await admin.ask('GET', '/rep')).status === 200);
    });
  });
});

describe('listen and close of the admin server', () => {
  const create = (fleet = fakeFleet()) =>
    createAdminServer({
      routes: createRoutes(fleet, fleet.scaler),
      isDraining: () => fleet.state.draining,
      log: silentLogger,
      ...OPEN,
    });

  it('name the port that is in use, and what to do', async () => {
    const first = create();
    const { port } = await first.listen(0, '127.0.0.1');
    await assert.rejects(create().listen(port, '127.0.0.1'), {
      code: 'port-in-use',
      message: `127.0.0.1 port ${port} is in use; stop what listens there or choose another with --admin-port`,
    });
    await first.close();
  });

  it('listen on all interfaces where no host is given', async () => {
    const server = create();
    const { host } = await server.listen(0, '');
    assert.match(host, /^(::|0\.0\.0\.0)$/);
    await server.close();
  });

  it('close connections that are idle or have sent half a head', async () => {
    const server = create();
    const { port } = await server.listen(0, '127.0.0.1');
    const idle = await RawClient.connect(port);
    const silent = await RawClient.connect(port);
    const half = await RawClient.connect(port);
    idle.send(requestText('GET', '/rep'));
    await idle.response();
    half.send('GET /re');
    const last = await RawClient.connect(port);
    last.send(requestText('GET', '/rep'));
    await last.response();
    await server.close();
    for (const client of [idle, silent, half, last]) assert.equal(await client.end(), '');
    for (const client of [idle, silent, half, last]) client.close();
  });

  it('let a request that is being answered finish', async () => {
    const fleet = fakeFleet();
    const changed = Promise.withResolvers<readonly string[]>();
    fleet.change = () => changed.promise;
    const server = create(fleet);
    const { port } = await server.listen(0, '127.0.0.1');
    const client = await RawClient.connect(port);
    client.send(requestText('POST', '/add', { body: '{"n":1}' }));
    await eventually('the change', () => fleet.asked.length === 1);
    const closed = server.close();
    changed.resolve(['S4']);
    const { status, headers } = await client.response();
    assert.equal(status, 200);
    assert.equal(headers.connection, 'close');
    await closed;
    client.close();
  });

  it('may be closed twice, and before it listens', async () => {
    const server = create();
    await server.close();
    await server.close();
  });
});
