/** HEAD, bodiless statuses, OPTIONS *, absolute-form, CONNECT. RFC 9110 sections 6.4.1, 9.3; RFC 9112 section 3.2. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failureOf, get, headerOf, headersOf, ok, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';

for (const framing of ['Content-Length: 1000', 'Transfer-Encoding: chunked', 'Content-Length: 0']) {
  test(`HEAD response with ${framing} has no body and spoils no other`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send('HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n');
    const replica = await rig.replica.next();
    assert.equal((await replica.request()).startLine, 'HEAD /h HTTP/1.1');
    replica.send(`HTTP/1.1 200 OK\r\n${framing}\r\nETag: "e"\r\n\r\n`);
    const response = await client.response(true);
    assert.equal(headerOf(response, 'etag'), '"e"');
    const [name = '', value] = framing.split(': ');
    assert.deepEqual(headersOf(response, name), [value]);
    client.send(get('/next'));
    await replica.request();
    replica.send(ok('next'));
    assert.equal((await client.response()).body, 'next');
  });
}

test('HEAD without length or coding keeps its connection', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n');
  const replica = await rig.replica.next();
  await replica.request();
  replica.send('HTTP/1.1 200 OK\r\nX: 1\r\n\r\n');
  const response = await client.response(true);
  assert.deepEqual(headersOf(response, 'content-length'), []);
  rig.replica.serve();
  client.send(get('/'));
  assert.equal((await client.response()).body, 'hello');
});

test('a body sent after a HEAD response never reaches the client', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n');
  const replica = await rig.replica.next();
  await replica.request();
  replica.send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/');
  await client.response(true);
  rig.replica.serve(() => ok('second'));
  client.send(get('/'));
  assert.equal((await client.response()).body, 'second');
  assert.equal(rig.replica.connections[0]!.isEnded, true);
});

for (const status of [204, 304]) {
  test(`${status} has no body, and its connection is reused`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(get('/'));
    const replica = await rig.replica.next();
    await replica.request();
    replica.send(`HTTP/1.1 ${status} X\r\nETag: "e"\r\n\r\n`);
    const response = await client.response();
    assert.equal(statusOf(response), status);
    assert.deepEqual(headersOf(response, 'transfer-encoding'), []);
    client.send(get('/'));
    await replica.request();
    replica.send(ok('next'));
    assert.equal((await client.response()).body, 'next');
  });
}

test('304 keeps the Content-Length of the other response', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  await replica.request();
  replica.send('HTTP/1.1 304 X\r\nContent-Length: 77\r\n\r\n');
  assert.deepEqual(headersOf(await client.response(), 'content-length'), ['77']);
  rig.replica.serve(() => ok('next'));
  client.send(get('/'));
  assert.equal((await client.response()).body, 'next');
});

for (const framing of ['Content-Length: 3', 'Transfer-Encoding: chunked']) {
  test(`204 with ${framing} loses it, and its body serves no request`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(get('/'));
    const replica = await rig.replica.next();
    await replica.request();
    replica.send(`HTTP/1.1 204 X\r\n${framing}\r\n\r\n`);
    const response = await client.response();
    assert.deepEqual(headersOf(response, 'content-length'), []);
    assert.deepEqual(headersOf(response, 'transfer-encoding'), []);
    replica.send('abc');
    rig.replica.serve(() => ok('next'));
    client.send(get('/'));
    assert.equal((await client.response()).body, 'next');
  });
}

test('OPTIONS * reaches the replica as it is', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n');
  const replica = await rig.replica.next();
  assert.equal((await replica.request()).startLine, 'OPTIONS * HTTP/1.1');
  replica.send(ok('', 'Allow: GET\r\n'));
  assert.equal(headerOf(await client.response(), 'allow'), 'GET');
});

test('* with another method is refused', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('GET * HTTP/1.1\r\nHost: a.example\r\n\r\n');
  assert.equal(statusOf(await client.response()), 400);
  assert.equal(rig.replica.connections.length, 0);
});

const ABSOLUTE: readonly (readonly [string, string, string])[] = [
  ['http://b.example:81/p?q=%20', '/p?q=%20', 'b.example:81'],
  ['http://b.example', '/', 'b.example'],
  ['HTTP://b.example/', '/', 'b.example'],
  ['http://b.example?x', '/?x', 'b.example'],
  ['https://b.example//x', '//x', 'b.example'],
  ['http://[::1]:5000/x', '/x', '[::1]:5000'],
];
for (const [target, path, host] of ABSOLUTE) {
  test(`the absolute form ${target} becomes its path; its host replaces Host`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(`GET ${target} HTTP/1.1\r\nHost: a.example\r\n\r\n`);
    const request = await (await rig.replica.next()).request();
    assert.equal(request.startLine, `GET ${path} HTTP/1.1`);
    assert.deepEqual(headersOf(request, 'host'), [host]);
    assert.deepEqual(headersOf(request, 'x-forwarded-host'), [host]);
  });
}

test('OPTIONS of an absolute form without a path becomes *', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send('OPTIONS http://b.example:8001 HTTP/1.1\r\nHost: b.example:8001\r\n\r\n');
  assert.equal((await (await rig.replica.next()).request()).startLine, 'OPTIONS * HTTP/1.1');
});

for (const target of [
  'ftp://x/y',
  'http://',
  'http:///x',
  'x',
  'mailto:a',
  'http://user:pass@b.example/',
  'a:80',
]) {
  test(`the target ${target} is refused`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(`GET ${target} HTTP/1.1\r\nHost: a.example\r\n\r\n`);
    const response = await client.response();
    assert.equal(statusOf(response), 400);
    assert.match(failureOf(response), /^<Error> /);
    assert.equal(rig.replica.connections.length, 0);
  });
}

test('CONNECT is refused, and its connection closed', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(
    'CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n',
  );
  const response = await client.response();
  assert.ok([400, 405, 501].includes(statusOf(response)), response.startLine);
  assert.match(failureOf(response), /^<Error> /);
  assert.equal(await client.over(), '');
  assert.equal(rig.replica.connections.length, 0);
});

test('a request in absolute form for /rep goes where /rep goes', async (t) => {
  const rig = await Rig.open(t);
  rig.admin.serve(() => ok('admin'));
  rig.replica.serve(() => ok('replica'));
  const client = await rig.client();
  client.send(get('/rep'));
  assert.equal((await client.response()).body, 'admin');
  client.send('GET http://a.example/rep HTTP/1.1\r\nHost: a.example\r\n\r\n');
  assert.equal((await client.response()).body, 'admin');
});

test('/rep with a query goes to the control plane', async (t) => {
  const rig = await Rig.open(t);
  rig.admin.serve(() => ok('admin'));
  rig.replica.serve(() => ok('replica'));
  const client = await rig.client();
  client.send(get('/rep?x=1'));
  assert.equal((await client.response()).body, 'admin');
});

test('a balancer failure for HEAD has no body', async (t) => {
  const rig = await Rig.open(t, { retries: 0 });
  rig.place(0, { host: '127.0.0.1', port: 1 });
  const client = await rig.client();
  client.send('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal(statusOf(await client.response(true)), 502);
  rig.place(0, { host: '127.0.0.1', port: rig.replica.port });
  rig.setState(0, 'healthy');
  rig.replica.serve();
  client.send(get('/'));
  assert.equal((await client.response()).body, 'hello');
});
