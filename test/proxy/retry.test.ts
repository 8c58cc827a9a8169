/** Which failed requests are retried, where, and how often. RFC 9110 section 9.2.2, RFC 9112 section 9.3.1. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failureOf, get, ok, post, statusOf } from '../helpers/proxy/message.ts';
import { REFUSING, Rig } from '../helpers/proxy/rig.ts';
import { allClose, requestsSeen } from '../helpers/proxy/scenes.ts';

for (const method of ['GET', 'POST', 'PATCH', 'PUT', 'DELETE']) {
  test(`${method} goes to another replica when the first refuses the connection`, async (t) => {
    const rig = await Rig.open(t, { replicas: 2 });
    rig.place(0, REFUSING);
    rig.replicas[1]!.serve(() => ok('second'));
    const client = await rig.client();
    client.send(`${method} / HTTP/1.1\r\nHost: a\r\n${rig.ownedBy(0)}Content-Length: 3\r\n\r\nabc`);
    assert.equal((await client.response()).body, 'second');
    assert.equal(rig.replicas[1]!.requests[0]?.body, 'abc');
    await rig.settled();
  });
}

test('a request that every replica refuses gets 502, each tried once', async (t) => {
  const rig = await Rig.open(t, { replicas: 3, retries: 9 });
  for (const ordinal of [0, 1, 2]) rig.place(ordinal, REFUSING);
  const client = await rig.client();
  client.send(get('/'));
  const response = await rig.elapse(client.response());
  assert.ok([502, 503].includes(statusOf(response)), response.startLine);
  assert.match(failureOf(response), /^<Error> /);
  assert.deepEqual(new Set(rig.reports.map(({ ordinal }) => ordinal)), new Set([0, 1, 2]));
  assert.equal(rig.reports.length, 3);
  await rig.settled();
});

test('an idempotent request whose new connection closes is retried elsewhere', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  const client = await rig.client();
  client.send(get('/', rig.ownedBy(0)));
  const first = await rig.replicas[0]!.next();
  await first.request();
  first.close();
  rig.replicas[1]!.serve(() => ok('second'));
  assert.equal((await client.response()).body, 'second');
  assert.equal(rig.replicas[0]!.connections.length, 1);
});

for (const method of ['POST', 'PATCH']) {
  test(`${method} whose connection closes gets 502, and is sent once`, async (t) => {
    const rig = await Rig.open(t, { replicas: 3 });
    allClose(rig);
    const client = await rig.client();
    client.send(`${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc`);
    const response = await client.response();
    assert.equal(statusOf(response), 502);
    assert.match(failureOf(response), /^<Error> /);
    assert.equal(
      requestsSeen(rig).reduce((sum, count) => sum + count),
      1,
    );
    await rig.settled();
  });

  test(`${method} without a body is sent once too`, async (t) => {
    const rig = await Rig.open(t, { replicas: 3 });
    allClose(rig);
    const client = await rig.client();
    client.send(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
    assert.equal(statusOf(await client.response()), 502);
    assert.equal(
      requestsSeen(rig).reduce((sum, count) => sum + count),
      1,
    );
  });
}

test('a GET on a reused connection that closes is repeated there', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/first'));
  const first = await rig.replica.next();
  await first.request();
  first.send(ok('one'));
  assert.equal((await client.response()).body, 'one');
  client.send(get('/second'));
  await first.request();
  first.close();
  const second = await rig.replica.next();
  assert.match((await second.request()).startLine, /second/);
  second.send(ok('two'));
  assert.equal((await client.response()).body, 'two');
  assert.deepEqual(rig.reports, []);
});

test('GET on a reused connection that is reset is repeated there', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/first'));
  const first = await rig.replica.next();
  await first.request();
  first.send(ok('one'));
  await client.response();
  client.send(get('/second'));
  await first.request();
  first.reset();
  (await rig.replica.next()).send(ok('two'));
  assert.equal((await client.response()).body, 'two');
});

test('POST on a reused connection that closes gets 502, sent once', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  const client = await rig.client();
  const owner = rig.ownedBy(0);
  client.send(get('/first', owner));
  const first = await rig.replicas[0]!.next();
  await first.request();
  first.send(ok('one'));
  await client.response();
  client.send(post('/second', 'abc', owner));
  await first.request();
  first.close();
  assert.equal(statusOf(await client.response()), 502);
  await rig.settled();
  assert.deepEqual([rig.replicas[0]!.connections.length, rig.replicas[1]!.connections.length], [1, 0]);
});

test('a POST after an idle connection closed is served on another', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/first'));
  const first = await rig.replica.next();
  await first.request();
  first.send(ok('one'));
  await client.response();
  first.close();
  await first.closed();
  rig.replica.serve(() => ok('two'));
  client.send(post('/second', 'abc'));
  assert.equal((await client.response()).body, 'two');
});

test('a body of 64 KiB is sent again whole', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  const body = 'ab'.repeat(32_768);
  const client = await rig.client();
  client.send(`PUT / HTTP/1.1\r\nHost: a\r\n${rig.ownedBy(0)}Content-Length: ${body.length}\r\n\r\n${body}`);
  const first = await rig.replicas[0]!.next();
  assert.equal((await first.request()).body, body);
  first.close();
  rig.replicas[1]!.serve();
  assert.equal((await client.response()).body, 'hello');
  assert.equal(rig.replicas[1]!.requests[0]!.body, body);
});

test('a chunked body with trailers is sent again whole', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  const client = await rig.client();
  client.send(
    `PUT / HTTP/1.1\r\nHost: a\r\n${rig.ownedBy(0)}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nyou\r\n0\r\nX-Sum: 1\r\n\r\n`,
  );
  const first = await rig.replicas[0]!.next();
  await first.request();
  first.close();
  rig.replicas[1]!.serve();
  await client.response();
  assert.equal(rig.replicas[1]!.requests[0]!.body, 'helloyou');
  assert.deepEqual(rig.replicas[1]!.requests[0]!.trailers, [['X-Sum', '1']]);
});

test('a half-sent body is sent again whole, with the rest', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  const client = await rig.client();
  client.send(`PUT / HTTP/1.1\r\nHost: a\r\n${rig.ownedBy(0)}Content-Length: 10\r\n\r\nhello`);
  const first = await rig.replicas[0]!.next();
  await first.take('hello');
  first.close();
  const second = await rig.replicas[1]!.next();
  await second.take('hello');
  client.send('world');
  assert.equal(await second.takeBytes(5), 'world');
  second.send(ok('done'));
  assert.equal((await client.response()).body, 'done');
});

test('beginnings of large bodies are sent again as they were', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  const bodies = ['a', 'b', 'c'].map((letter) => letter.repeat(200_000));
  const clients = await Promise.all(bodies.map(() => rig.client()));
  for (const [index, client] of clients.entries()) {
    const length = bodies[index]!.length;
    client.send(`PUT / HTTP/1.1\r\nHost: a\r\n${rig.ownedBy(0)}Content-Length: ${length}\r\n\r\n`);
    client.send(bodies[index]!.slice(0, 20_000));
    const first = await rig.replicas[0]!.next();
    await first.until('head and 20,000 bytes', () => first.received.length > 20_000);
    client.send(bodies[index]!.slice(20_000, 50_000));
    await first.until('head and 50,000 bytes', () => first.received.length > 50_000);
  }
  rig.replicas[1]!.serve();
  for (const connection of rig.replicas[0]!.connections) connection.close();
  for (const [index, client] of clients.entries()) {
    client.send(bodies[index]!.slice(50_000));
    assert.equal((await client.response()).body, 'hello');
  }
  const received = rig.replicas[1]!.requests.map(({ body }) => body);
  assert.deepEqual(received.toSorted(), bodies);
});

test('a body above 64 KiB is not sent again', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  const body = 'x'.repeat(70_000);
  const client = await rig.client();
  client.send(`PUT / HTTP/1.1\r\nHost: a\r\n${rig.ownedBy(0)}Content-Length: ${body.length}\r\n\r\n${body}`);
  const first = await rig.replicas[0]!.next();
  await first.request();
  first.close();
  assert.equal(statusOf(await client.response()), 502);
  await rig.settled();
  assert.equal(rig.replicas[1]!.connections.length, 0);
});

test('body above 64 KiB is retried when the connection is refused', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  rig.place(0, REFUSING);
  rig.replicas[1]!.serve();
  const body = 'x'.repeat(300_000);
  const client = await rig.client();
  client.send(`POST / HTTP/1.1\r\nHost: a\r\n${rig.ownedBy(0)}Content-Length: ${body.length}\r\n\r\n${body}`);
  assert.equal((await client.response()).body, 'hello');
  assert.equal(rig.replicas[1]!.requests[0]!.body, body);
});
