import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type Running, requestText, runAdmin } from '../helpers/admin/admin.ts';
import { eventually } from '../helpers/eventually.ts';

const failure = (message: string) => JSON.stringify({ message: `<Error> ${message}`, status: 'failure' });
const ADD = 'POST /add HTTP/1.1\r\nHost: localhost\r\n';

describe('the admin server', () => {
  let admin: Running;
  before(async () => {
    admin = await runAdmin();
  });
  after(() => admin.stop());
  beforeEach(() => {
    admin.fleet.asked.length = 0;
    admin.fleet.change = async () => ['S1'];
    admin.fleet.state = { ready: true, draining: false, reason: 'ready' };
  });

  it('answers many requests on one connection', async () => {
    const client = await admin.connect();
    for (const body of [undefined, '{"n":1}', undefined]) {
      client.send(body === undefined ? requestText('GET', '/rep') : requestText('POST', '/add', { body }));
      const { status, headers } = await client.response();
      assert.equal(status, 200);
      assert.equal(headers.connection, 'keep-alive');
    }
  });

  it('answers pipelined requests in their order', async () => {
    const client = await admin.connect();
    const changed = Promise.withResolvers<readonly string[]>();
    admin.fleet.change = () => changed.promise;
    client.send(requestText('POST', '/add', { body: '{"n":1}' }) + requestText('GET', '/healthz'));
    await eventually('the change', () => admin.fleet.asked.length === 1);
    changed.resolve(['S9']);
    assert.match((await client.response()).body, /S9/);
    assert.match((await client.response()).body, /runs/);
  });

  it('takes a body in chunks', async () => {
    const client = await admin.connect();
    client.send(`${ADD}Transfer-Encoding: chunked\r\n\r\n3\r\n{"n\r\n4\r\n":2}\r\n0\r\n\r\n`);
    assert.equal((await client.response()).status, 200);
    assert.deepEqual(admin.fleet.asked, ['add 2']);
  });

  it('takes a body byte by byte', async () => {
    const client = await admin.connect();
    client.socket.setNoDelay(true);
    for (const byte of requestText('POST', '/add', { body: '{"n":1,"hostnames":["S5"]}' })) client.send(byte);
    assert.equal((await client.response()).status, 200);
    assert.deepEqual(admin.fleet.asked, ['add 1 S5']);
  });

  it('asks for a body that waits to be asked for', async () => {
    const client = await admin.connect();
    client.send(`${ADD}Content-Length: 7\r\nExpect: 100-continue\r\n\r\n`);
    assert.equal((await client.response()).status, 100);
    client.send('{"n":1}');
    assert.equal((await client.response()).status, 200);
  });

  for (const [title, head] of [
    ['too large', `${ADD}Content-Length: 70000\r\n`],
    ['for a path that is not there', 'POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n'],
  ] as const) {
    it(`does not ask for a body ${title}`, async () => {
      const client = await admin.connect();
      client.send(`${head}Expect: 100-continue\r\n\r\n`);
      const { status, headers } = await client.response();
      assert.notEqual(status, 100);
      assert.equal(headers.connection, 'close');
    });
  }

  it('answers 417 to any other expectation', async () => {
    const client = await admin.connect();
    client.send(`${ADD}Content-Length: 7\r\nExpect: a-miracle\r\n\r\n{"n":1}`);
    const { status, body } = await client.response();
    assert.equal(status, 417);
    assert.equal(body, failure('Only Expect: 100-continue is understood'));
    assert.deepEqual(admin.fleet.asked, []);
  });

  it('refuses a Content-Length over 64 KiB at once, and closes', async () => {
    const client = await admin.connect();
    client.send(`${ADD}Content-Length: 65537\r\n\r\n`);
    const { status, headers, body } = await client.response();
    assert.equal(status, 413);
    assert.equal(headers.connection, 'close');
    assert.equal(body, failure('The body is larger than 65536 bytes'));
    assert.equal(await client.end(), '');
  });

  it('refuses a chunked body once it passes 64 KiB, and closes', async () => {
    const client = await admin.connect();
    client.send(`${ADD}Transfer-Encoding: chunked\r\n\r\n`);
    for (let sent = 0; sent < 65; sent++) client.send(`400\r\n${' '.repeat(1024)}\r\n`);
    assert.equal((await client.response()).status, 413);
    assert.equal(await client.end(), '');
  });

  it('takes a body of exactly 64 KiB', async () => {
    const { status } = await admin.ask('POST', '/add', { body: '{"n":1}'.padEnd(65_536) });
    assert.equal(status, 200);
  });

  it('lets a client read the refusal after sending a large body', async () => {
    const client = await admin.connect();
    client.socket.pause();
    client.send(`${ADD}Content-Length: 8000000\r\n\r\n`);
    // a connection that is reset ends the sending early, and takes the answer with it
    await new Promise<unknown>((resolve) => client.socket.write('x'.repeat(8_000_000), resolve));
    client.socket.resume();
    assert.equal((await client.response()).status, 413);
  });

  it('answers a body that is not UTF-8 with 400', async () => {
    const { status, body } = await admin.ask('POST', '/add', { body: Buffer.from([0x22, 0xc3, 0x28, 0x22]) });
    assert.equal(status, 400);
    assert.equal(body, failure('The body is not UTF-8'));
  });

  it('answers no body with 400 and what to send', async () => {
    const { status, body } = await admin.ask('DELETE', '/rm');
    assert.equal(status, 400);
    assert.equal(body, failure('The body is empty; send JSON such as {"n":2,"hostnames":["S4","S5"]}'));
  });

  it('closes after an answer that leaves a body unread', async () => {
    const client = await admin.connect();
    client.send('GET /rep HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n');
    assert.equal((await client.response()).headers.connection, 'close');
    assert.equal(await client.end(), '');
  });

  for (const [title, text, status] of [
    ['no HTTP', 'hello\r\n\r\n', 400],
    ['two lengths', `${ADD}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`, 400],
    ['a length beside chunks', `${ADD}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`, 400],
    ['a wrong chunk size', `${ADD}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, 400],
    ['no Host', 'GET /rep HTTP/1.1\r\n\r\n', 400],
    ['two Hosts', 'GET /rep HTTP/1.1\r\nHost: localhost\r\nHost: b\r\n\r\n', 400],
    ['a head over 64 KiB', `GET /rep HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`, 431],
  ] as const) {
    it(`answers ${title} with ${status} as JSON`, async () => {
      const client = await admin.connect();
      client.send(text);
      const response = await client.response();
      assert.equal(response.status, status);
      assert.equal(response.headers['content-type'], 'application/json');
      assert.equal(JSON.parse(response.body).status, 'failure');
    });
  }

  it('takes HTTP/1.0 without Host, and closes', async () => {
    const client = await admin.connect();
    client.send('GET /rep HTTP/1.0\r\n\r\n');
    assert.equal((await client.response()).status, 200);
    await client.end();
  });

  it('gives a request its own answer though garbage follows it', async () => {
    const client = await admin.connect();
    const changed = Promise.withResolvers<readonly string[]>();
    admin.fleet.change = () => changed.promise;
    client.send(`${requestText('POST', '/add', { body: '{"n":1}' })}garbage\r\n\r\n`);
    await eventually('the change', () => admin.fleet.asked.length === 1);
    changed.resolve(['S9']);
    const { status, headers, body } = await client.response();
    assert.equal(status, 200);
    assert.match(body, /S9/);
    assert.equal(headers.connection, 'close');
    await client.end();
  });

  it('survives a client that disconnects in the middle of its body', async () => {
    const client = await admin.connect();
    client.send(`${ADD}Content-Length: 7\r\n\r\n{"n"`);
    client.close();
    assert.equal((await admin.ask('GET', '/healthz')).status, 200);
    assert.deepEqual(admin.fleet.asked, []);
  });

  it('goes on when a client leaves before its answer', async () => {
    const changed = Promise.withResolvers<readonly string[]>();
    admin.fleet.change = () => changed.promise;
    const client = await admin.connect();
    client.send(requestText('POST', '/add', { body: '{"n":1}' }));
    await eventually('the change', () => admin.fleet.asked.length === 1);
    client.close();
    changed.resolve(['S1']);
    assert.equal((await admin.ask('GET', '/healthz')).status, 200);
  });

  it('tells keep-alive clients to close while the balancer drains', async () => {
    admin.fleet.state = { ready: false, draining: true, reason: 'shutting down' };
    const client = await admin.connect();
    client.send(requestText('GET', '/rep'));
    assert.equal((await client.response()).headers.connection, 'close');
    await client.end();
  });
});
