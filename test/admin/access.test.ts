/** The admin port, asked as somebody would who must not steer it. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { createRoutes, type Route } from '../../lib/admin/api.ts';
import { succeeded } from '../../lib/admin/reply.ts';
import { fakeFleet, type Running, requestText, runAdmin } from '../helpers/admin.ts';

const TOKEN = 'correct-horse-battery';
const BEARER = { authorization: `Bearer ${TOKEN}` };
const ONE = '{"n":1}';

const WATCH: Route = { path: '/watch', methods: ['GET'], access: 'watch', answer: () => succeeded('now') };

/** What no browser sends unless a page of somebody else made it. */
const CROSS_SITE: readonly (readonly [title: string, headers: Readonly<Record<string, string>>])[] = [
  ['a page of another site', { origin: 'http://evil.example' }],
  ['a page on another port of this machine', { origin: 'http://127.0.0.1:8080' }],
  ['a page of another name of this machine', { origin: 'http://localhost' }],
  ['a page that hides where it is from', { origin: 'null' }],
  ['a page of a longer name', { origin: 'http://127.0.0.1.evil.example' }],
  ['a page with a user in its origin', { origin: 'http://127.0.0.1@evil.example' }],
  ['an extension', { origin: 'chrome-extension://127.0.0.1' }],
  ['an empty origin', { origin: '' }],
  ['what the browser calls cross-site', { 'sec-fetch-site': 'cross-site' }],
  ['what the browser calls same-site', { 'sec-fetch-site': 'same-site' }],
  ['a new word for another site', { 'sec-fetch-site': 'elsewhere' }],
];

const FOREIGN_HOSTS = [
  ...['evil.example', 'evil.example:5001', '127.0.0.1.evil.example', 'localhost.evil.example', 'balancer'],
  ...[
    '[::1',
    '::1',
    '127.1',
    '0x7f.1',
    'evil.example@127.0.0.1',
    '127.0.0.1, evil.example',
    '[evil.example]',
  ],
];
const OWN_HOSTS = [
  ...[
    '127.0.0.1',
    '127.0.0.1:5001',
    'localhost',
    'LOCALHOST:5001',
    'a.localhost',
    'localhost.',
    '[::1]:5001',
  ],
  ...['192.168.1.5:5001', 'ops.example', 'OPS.example:443'],
];

describe('a browser at the admin port', () => {
  let admin: Running;
  before(async () => {
    admin = await runAdmin({ access: { adminHosts: ['ops.example'] }, routes: [WATCH] });
  });
  after(() => admin.stop());
  beforeEach(() => {
    admin.fleet.asked.length = 0;
  });

  for (const [title, headers] of CROSS_SITE) {
    it(`is refused a change that ${title} asks for`, async () => {
      for (const [method, path] of [
        ['POST', '/add'],
        ['POST', '/rm'],
        ['DELETE', '/rm'],
      ] as const) {
        const { status, body } = await admin.ask(method, path, { body: ONE, headers });
        assert.equal(status, 403);
        assert.match(body, /^\{"message":"<Error> A page of another site caused this request; use /);
      }
      assert.deepEqual(admin.fleet.asked, []);
    });

    it(`is refused what streams when ${title} asks for it`, async () => {
      assert.equal((await admin.ask('GET', '/watch', { headers })).status, 403);
    });
  }

  for (const host of FOREIGN_HOSTS) {
    it(`is refused everything under the name ${host}`, async () => {
      for (const [method, path, body] of [
        ['POST', '/add', ONE],
        ['GET', '/watch', undefined],
        ['GET', '/replicas', undefined],
      ] as const) {
        const answer = await admin.ask(method, path, { ...(body && { body }), headers: { host } });
        assert.equal(answer.status, 403);
        assert.match(answer.body, /The balancer is not known as .*--admin-hosts/);
      }
      assert.deepEqual(admin.fleet.asked, []);
    });
  }

  for (const host of OWN_HOSTS) {
    it(`is answered under the name ${host}`, async () => {
      assert.equal((await admin.ask('POST', '/add', { body: ONE, headers: { host } })).status, 200);
    });
  }

  for (const headers of [
    { origin: 'http://127.0.0.1', 'sec-fetch-site': 'same-origin' },
    { origin: 'http://127.0.0.1:5001', host: '127.0.0.1:5001' },
    { origin: 'http://127.0.0.1:80' },
    { origin: 'https://ops.example', host: 'ops.example:443' },
    { 'sec-fetch-site': 'none' },
  ]) {
    it(`is answered as a page of its own: ${JSON.stringify(headers)}`, async () => {
      const json = { ...headers, 'content-type': 'application/json; charset=utf-8' };
      assert.equal((await admin.ask('POST', '/add', { body: ONE, headers: json })).status, 200);
    });
  }

  for (const type of [
    ...['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'],
    ...['application/jsonp', 'text/plain; application/json', 'text/json'],
    undefined,
  ]) {
    it(`is refused JSON that is sent as ${type ?? 'nothing'}`, async () => {
      const content = type === undefined ? undefined : { 'content-type': type };
      for (const sign of [
        { origin: 'http://127.0.0.1' },
        { 'sec-fetch-site': 'same-origin' },
        { 'sec-fetch-mode': 'cors' },
      ]) {
        const headers = { ...content, ...sign } as Record<string, string>;
        const { status, body } = await admin.ask('POST', '/add', { body: ONE, headers });
        assert.equal(status, 415);
        assert.match(body, /Content-Type: application\/json/);
      }
      assert.deepEqual(admin.fleet.asked, []);
    });
  }

  it('is told nothing by a preflight', async () => {
    const { status, headers } = await admin.ask('OPTIONS', '/add', {
      headers: { origin: 'http://evil.example', 'access-control-request-method': 'POST' },
    });
    assert.equal(status, 405);
    assert.deepEqual(
      Object.keys(headers).filter((name) => name.startsWith('access-control')),
      [],
    );
  });

  it('may be led to what is only read, whose answer no other page can read', async () => {
    const { status, headers } = await admin.ask('GET', '/replicas', {
      headers: { 'sec-fetch-site': 'cross-site' },
    });
    assert.equal(status, 200);
    assert.equal(headers['access-control-allow-origin'], undefined);
  });

  it('is answered /healthz and /readyz under any name', async () => {
    for (const path of ['/healthz', '/readyz']) {
      assert.equal((await admin.ask('GET', path, { headers: { host: 'evil.example' } })).status, 200);
    }
  });
});

describe('a program at the admin port', () => {
  it('may send JSON as curl does, as a form', async (t) => {
    const admin = await runAdmin();
    t.after(() => admin.stop());
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    assert.equal((await admin.ask('POST', '/add', { body: ONE, headers })).status, 200);
  });

  it('changes nothing with a method that a link or an image sends', () => {
    const steering = createRoutes(fakeFleet()).filter(({ access }) => access === 'steer');
    assert.ok(steering.length >= 2);
    for (const { path, methods } of steering) {
      assert.deepEqual(
        methods.filter((method) => method !== 'POST' && method !== 'DELETE'),
        [],
        path,
      );
    }
  });

  for (const value of ['127.0.0.1', 'x 127.0.0.1', ' 127.0.0.1', 'of-this-start', 'of-this-start ']) {
    it(`cannot pass for a data thread with "${value}"`, async (t) => {
      const admin = await runAdmin();
      t.after(() => admin.stop());
      const answer = await admin.ask('POST', '/add', { body: ONE, headers: { 'x-ringlb-peer': value } });
      assert.equal(answer.status, 400);
      assert.deepEqual(admin.fleet.asked, []);
    });
  }
});

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

  it('answers reads under any name to who shows the token, but no stream and no change', async () => {
    const headers = { ...BEARER, host: 'balancer:5001' };
    assert.equal((await admin.ask('GET', '/replicas', { headers })).status, 200);
    assert.equal((await admin.ask('GET', '/watch', { headers })).status, 403);
    assert.equal((await admin.ask('POST', '/add', { headers, body: ONE })).status, 403);
  });

  it('answers /healthz and /readyz to anyone', async () => {
    for (const path of ['/healthz', '/readyz']) assert.equal((await admin.ask('GET', path)).status, 200);
  });

  it('refuses a page of another site even with the token, and takes that for no wrong token', async () => {
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
