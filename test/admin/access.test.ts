/** The admin port without a token, asked by browsers that are led there, and by programs. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { succeeded } from '../../lib/admin/reply.ts';
import { createRoutes, type Route } from '../../lib/admin/routes/fleet.ts';
import { fakeFleet, type Running, runAdmin } from '../helpers/admin/admin.ts';

const ONE = '{"n":1}';

const WATCH: Route = { path: '/watch', methods: ['GET'], access: 'watch', handle: () => succeeded('now') };

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

  it('may be led to reads, which no other page sees', async () => {
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

  it('changes nothing by a method of links and images', () => {
    const steering = createRoutes(fakeFleet(), fakeFleet().scaler).filter(({ access }) => access === 'steer');
    assert.ok(steering.length >= 2);
    for (const { path, methods, readMethods = [] } of steering) {
      assert.deepEqual(
        methods.filter(
          (method) => !readMethods.includes(method) && !['POST', 'PUT', 'DELETE'].includes(method),
        ),
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
