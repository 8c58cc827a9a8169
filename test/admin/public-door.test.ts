/** What the control plane answers to requests that data threads hand over, by the address of their clients. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  type AskOptions,
  type Running,
  type RunOptions,
  requestText,
  runAdmin,
  SECRET,
} from '../helpers/admin/admin.ts';

const TOKEN = 'correct-horse-battery';
const ONE = '{"n":1}';
const from = (address: string) => ({ 'x-ringlb-peer': `${SECRET} ${address}` });

async function open(t: TestContext, access: RunOptions['access'] = {}): Promise<Running> {
  const admin = await runAdmin({ access });
  t.after(() => admin.stop());
  return admin;
}

/** A change that a client at this address asks the public port for. */
function change(admin: Running, address: string, { headers, body = ONE }: AskOptions = {}) {
  return admin.ask('POST', '/add', { body, headers: { ...from(address), ...headers } });
}

describe('the public port without a token', () => {
  for (const address of ['127.0.0.1', '10.1.2.3', '172.17.0.1', '192.168.1.9', 'fd00::7', 'fe80::1', '::1']) {
    it(`takes a change from ${address}`, async (t) => {
      assert.equal((await change(await open(t), address)).status, 200);
    });
  }

  for (const address of ['9.9.9.9', '172.32.0.1', '2001:db8::1', '100.64.0.1']) {
    it(`refuses a change from ${address}, whatever it says of itself`, async (t) => {
      const admin = await open(t);
      for (const headers of [
        {},
        { 'x-forwarded-for': '127.0.0.1', forwarded: 'for=127.0.0.1', 'x-real-ip': '127.0.0.1' },
        { authorization: 'Bearer anything' },
        { host: 'localhost' },
      ]) {
        const { status, body } = await change(admin, address, { headers });
        assert.equal(status, 403);
        assert.match(body, /only loopback and private addresses may do this here; start .* --admin-token/);
      }
      assert.deepEqual(admin.fleet.asked, []);
    });
  }

  it('judges by the peer address, not by forwarding headers', async (t) => {
    const headers = { 'x-forwarded-for': '9.9.9.9', forwarded: 'for=9.9.9.9' };
    assert.equal((await change(await open(t), '10.0.0.1', { headers })).status, 200);
  });

  it('answers /rep to anyone under any name', async (t) => {
    const admin = await open(t);
    const headers = { ...from('9.9.9.9'), host: 'www.example.com', origin: 'http://evil.example' };
    assert.equal((await admin.ask('GET', '/rep', { headers })).status, 200);
  });

  it('refuses other sites and names an attacker can have', async (t) => {
    const admin = await open(t);
    for (const headers of [
      { origin: 'http://evil.example' },
      { 'sec-fetch-site': 'cross-site' },
      { host: 'evil.example:5000', origin: 'http://evil.example:5000', 'content-type': 'application/json' },
      { host: 'evil.example' },
    ]) {
      assert.equal((await change(admin, '192.168.1.9', { headers })).status, 403);
    }
    assert.deepEqual(admin.fleet.asked, []);
  });

  it('is asked by the name of its container or machine', async (t) => {
    assert.equal(
      (await change(await open(t), '172.18.0.3', { headers: { host: 'balancer:5000' } })).status,
      200,
    );
  });

  it('is asked by a name of its owner’s choice', async (t) => {
    const admin = await open(t, { adminHosts: ['lb.example'] });
    assert.equal((await change(admin, '10.0.0.1', { headers: { host: 'lb.example' } })).status, 200);
  });
});

describe('the public port with a token', () => {
  const right = { authorization: `Bearer ${TOKEN}` };

  it('takes a change from anywhere with the token, under any name', async (t) => {
    const admin = await open(t, { token: TOKEN });
    const { status } = await change(admin, '9.9.9.9', { headers: { ...right, host: 'www.example.com' } });
    assert.equal(status, 200);
  });

  it('refuses a change without the token even from this machine', async (t) => {
    const admin = await open(t, { token: TOKEN });
    for (const address of ['127.0.0.1', '9.9.9.9']) assert.equal((await change(admin, address)).status, 401);
    assert.deepEqual(admin.fleet.asked, []);
  });

  it('refuses pages of other sites with the token, too', async (t) => {
    const headers = { ...right, origin: 'http://evil.example' };
    assert.equal((await change(await open(t, { token: TOKEN }), '9.9.9.9', { headers })).status, 403);
  });
});

describe('the public port with a token for the admin port alone', () => {
  const access = { token: TOKEN, guardsPublicPort: false };

  it('takes a change from private addresses without the token', async (t) => {
    assert.equal((await change(await open(t, access), '172.17.0.1')).status, 200);
  });

  it('refuses a change from other addresses, even with the token', async (t) => {
    const admin = await open(t, access);
    const headers = { authorization: `Bearer ${TOKEN}` };
    assert.equal((await change(admin, '9.9.9.9', { headers })).status, 403);
    assert.deepEqual(admin.fleet.asked, []);
  });

  it('leaves changes on the admin port to the token', async (t) => {
    const admin = await open(t, access);
    assert.equal((await admin.ask('POST', '/add', { body: ONE })).status, 401);
  });
});

describe('a replica that asks', () => {
  const isReplica = (address: string): boolean => ['172.18.0.5', '127.0.0.1', 'fd00::5'].includes(address);

  it('may not change its own fleet without a token', async (t) => {
    const admin = await open(t, { isReplica });
    for (const [method, path] of [
      ['POST', '/add'],
      ['DELETE', '/rm'],
      ['PUT', '/scale'],
      ['PUT', '/scale?dry-run'],
    ] as const) {
      for (const address of ['172.18.0.5', '::ffff:172.18.0.5', 'fd00::5']) {
        const { status, body } = await admin.ask(method, path, { body: ONE, headers: from(address) });
        assert.equal(status, 403);
        assert.match(body, /^\{"message":"<Error> This is the address of a replica, and .* --admin-token/);
      }
    }
    assert.deepEqual(admin.fleet.asked, []);
  });

  it('may read, and its neighbours may change the fleet', async (t) => {
    const admin = await open(t, { isReplica });
    assert.equal((await admin.ask('GET', '/rep', { headers: from('172.18.0.5') })).status, 200);
    assert.equal((await change(admin, '172.18.0.6')).status, 200);
  });

  it('cannot be told from other programs on loopback', async (t) => {
    assert.equal((await change(await open(t, { isReplica }), '127.0.0.1')).status, 200);
  });

  it('may change it with the token', async (t) => {
    const admin = await open(t, { isReplica, token: TOKEN });
    const headers = { authorization: `Bearer ${TOKEN}` };
    assert.equal((await change(admin, '172.18.0.5', { headers })).status, 200);
    assert.equal((await change(admin, '172.18.0.5')).status, 401);
  });
});

describe('a connection of a data thread', () => {
  it('is answered no other path', async (t) => {
    const admin = await open(t, { token: TOKEN });
    const headers = { ...from('127.0.0.1'), authorization: `Bearer ${TOKEN}` };
    for (const path of ['/replicas', '/ring', '/healthz', '/readyz']) {
      assert.equal((await admin.ask('GET', path, { headers })).status, 404);
    }
  });

  it('is answered nothing that does not say whom it is from', async (t) => {
    const admin = await open(t);
    const client = await admin.connect();
    client.send(requestText('GET', '/rep', { headers: from('9.9.9.9') }));
    assert.equal((await client.response()).status, 200);
    client.send(requestText('POST', '/add', { body: ONE }));
    assert.equal((await client.response()).status, 400);
    assert.deepEqual(admin.fleet.asked, []);
  });

  it('is answered nothing that says so twice', async (t) => {
    const admin = await open(t);
    const client = await admin.connect();
    const line = `x-ringlb-peer: ${SECRET} 127.0.0.1\r\n`;
    client.send(`GET /rep HTTP/1.1\r\nHost: localhost\r\n${line}${line}\r\n`);
    assert.equal((await client.response()).status, 400);
  });
});
