/** The admin port with a token: who needs it for what. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { succeeded } from '../../lib/admin/reply.ts';
import type { Route } from '../../lib/admin/routes/fleet.ts';
import { type Running, requestText, runAdmin } from '../helpers/admin/admin.ts';

const TOKEN = 'correct-horse-battery';
const BEARER = { authorization: `Bearer ${TOKEN}` };
const ONE = '{"n":1}';

const WATCH: Route = { path: '/watch', methods: ['GET'], access: 'watch', handle: () => succeeded('now') };

describe('the admin port with a token, bound wider than loopback', () => {
  let admin: Running;
  before(async () => {
    admin = await runAdmin({ access: { token: TOKEN, adminHost: '' }, routes: [WATCH] });
  });
  after(() => admin.stop());

  for (const path of ['/rep', '/replicas', '/ring', '/watch']) {
    it(`answers ${path} to who shows the token alone`, async () => {
      assert.equal((await admin.ask('GET', path)).status, 401);
      assert.equal((await admin.ask('GET', path, { headers: BEARER })).status, 200);
    });
  }

  it('takes no token out of a query', async () => {
    for (const query of [`token=${TOKEN}`, `access_token=${TOKEN}`, `authorization=Bearer%20${TOKEN}`]) {
      assert.equal((await admin.ask('GET', `/replicas?${query}`)).status, 401);
    }
  });

  it('allows only reads under any Host with the token', async () => {
    const headers = { ...BEARER, host: 'balancer:5001' };
    assert.equal((await admin.ask('GET', '/replicas', { headers })).status, 200);
    assert.equal((await admin.ask('GET', '/watch', { headers })).status, 403);
    assert.equal((await admin.ask('POST', '/add', { headers, body: ONE })).status, 403);
  });

  it('answers /healthz and /readyz to anyone', async () => {
    for (const path of ['/healthz', '/readyz']) assert.equal((await admin.ask('GET', path)).status, 200);
  });

  it('refuses cross-site requests with the token, without counting a failure', async () => {
    const headers = { origin: 'http://evil.example', authorization: 'Bearer wrong' };
    for (let count = 0; count < 100; count++) await admin.ask('POST', '/add', { body: ONE, headers });
    const { status } = await admin.ask('POST', '/add', { body: ONE, headers: { ...headers, ...BEARER } });
    assert.equal(status, 403);
    assert.equal((await admin.ask('POST', '/add', { body: ONE, headers: BEARER })).status, 200);
  });
});

describe('the admin port on loopback with a token', () => {
  it('answers reads and streams without it, changes only with it', async (t) => {
    const admin = await runAdmin({ access: { token: TOKEN }, routes: [WATCH] });
    t.after(() => admin.stop());
    for (const path of ['/rep', '/replicas', '/watch'])
      assert.equal((await admin.ask('GET', path)).status, 200);
    assert.equal((await admin.ask('POST', '/add', { body: ONE })).status, 401);
    assert.equal((await admin.ask('POST', '/add', { body: ONE, headers: BEARER })).status, 200);
  });

  it('leaves a pipelined change unanswered without a token of its own', async (t) => {
    const admin = await runAdmin({ access: { token: TOKEN } });
    t.after(() => admin.stop());
    const client = await admin.connect();
    client.send(
      requestText('POST', '/add', { body: ONE, headers: BEARER }) +
        requestText('POST', '/add', { body: ONE }),
    );
    assert.equal((await client.response()).status, 200);
    assert.equal((await client.response()).status, 401);
    assert.deepEqual(admin.fleet.asked, ['add 1']);
  });
});
