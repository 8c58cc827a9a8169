/** Which failed requests are tried again, where, and how often. RFC 9110 section 9.2.2, RFC 9112 section 9.3.1. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { failureOf, get, headerOf, ok, post, statusOf } from '../helpers/proxy-message.ts';
import { REFUSING, Rig } from '../helpers/proxy-rig.ts';

/** Every replica closes every connection once it has a whole request, without a word. */
function allClose(rig: Rig): void {
  for (const replica of rig.replicas) {
    replica.serve((_, connection) => {
      connection.close();
      return undefined;
    });
  }
}

function requestsSeen(rig: Rig): number[] {
  return rig.replicas.map(({ requests }) => requests.length);
}

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

test('a request that every replica refuses ends with 502, once each was tried', async (t) => {
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

test('an idempotent request whose fresh connection closes before an answer goes to another replica', async (t) => {
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
  test(`${method} whose connection closes before an answer gets 502, and is sent once`, async (t) => {
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

test('a GET on a reused connection that closes goes to a fresh one on the same replica', async (t) => {
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

test('a GET on a reused connection that is reset goes to a fresh one', async (t) => {
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

test('a POST on a reused connection that closes after it was sent gets 502, and is sent once', async (t) => {
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

test('a POST after an idle connection was closed is served on a fresh one', async (t) => {
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

test('a body whose first half was sent before the failure is sent again whole, and the rest after it', async (t) => {
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

test('a body above 64 KiB reaches another replica when the first refuses the connection', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  rig.place(0, REFUSING);
  rig.replicas[1]!.serve();
  const body = 'x'.repeat(300_000);
  const client = await rig.client();
  client.send(`POST / HTTP/1.1\r\nHost: a\r\n${rig.ownedBy(0)}Content-Length: ${body.length}\r\n\r\n${body}`);
  assert.equal((await client.response()).body, 'hello');
  assert.equal(rig.replicas[1]!.requests[0]!.body, body);
});

test('a request never goes to the same replica twice, and to no more than retries say', async (t) => {
  const rig = await Rig.open(t, { replicas: 5, retries: 2 });
  allClose(rig);
  const client = await rig.client();
  client.send(get('/'));
  assert.equal(statusOf(await client.response()), 502);
  const seen = requestsSeen(rig);
  assert.equal(
    seen.reduce((sum, count) => sum + count),
    3,
  );
  assert.ok(
    seen.every((count) => count <= 1),
    String(seen),
  );
});

test('retries 0 tries once', async (t) => {
  const rig = await Rig.open(t, { replicas: 3, retries: 0 });
  allClose(rig);
  const client = await rig.client();
  client.send(get('/'));
  assert.equal(statusOf(await client.response()), 502);
  assert.equal(
    requestsSeen(rig).reduce((sum, count) => sum + count),
    1,
  );
});

test('with fewer replicas than retries each is tried once', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, retries: 9 });
  allClose(rig);
  const client = await rig.client();
  client.send(get('/'));
  assert.equal(statusOf(await rig.elapse(client.response())), 502);
  assert.deepEqual(requestsSeen(rig), [1, 1]);
  await rig.settled();
});

test('an instance that failed a request is not given it again once it is found healthy after all', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, retries: 9 });
  allClose(rig);
  const client = await rig.client();
  client.send(get('/'));
  await eventually('both have failed', () => rig.reports.length === 2);
  for (const ordinal of [0, 1]) rig.setState(ordinal, 'healthy');
  assert.equal(statusOf(await rig.elapse(client.response())), 502);
  assert.deepEqual(requestsSeen(rig), [1, 1]);
});

test('an answer whose head has gone out is never asked for again', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  const client = await rig.client();
  client.send(get('/', rig.ownedBy(0)));
  const first = await rig.replicas[0]!.next();
  first.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
  await client.take('half');
  first.close();
  await client.over();
  await rig.settled();
  assert.equal(rig.replicas[1]!.connections.length, 0);
});

test('a 1xx that has gone out does not keep a GET from another replica', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  const client = await rig.client();
  client.send(get('/', rig.ownedBy(0)));
  const first = await rig.replicas[0]!.next();
  first.send('HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n');
  assert.equal(statusOf(await client.response()), 103);
  first.close();
  rig.replicas[1]!.serve(() => ok('second'));
  const response = await client.response();
  assert.ok(statusOf(response) === 502 || response.body === 'second');
});

for (const status of [500, 502, 503, 504]) {
  test(`a replica's own ${status} is its answer, and not tried again`, async (t) => {
    const rig = await Rig.open(t, { replicas: 2 });
    for (const replica of rig.replicas)
      replica.serve(() => `HTTP/1.1 ${status} X\r\nContent-Length: 2\r\nRetry-After: 9\r\n\r\nno`);
    const client = await rig.client();
    client.send(get('/'));
    const response = await client.response();
    assert.equal(statusOf(response), status);
    assert.equal(response.body, 'no');
    assert.equal(headerOf(response, 'retry-after'), '9');
    assert.equal(
      requestsSeen(rig).reduce((sum, count) => sum + count),
      1,
    );
  });
}

test('a malformed answer is not asked for again', async (t) => {
  const rig = await Rig.open(t, { replicas: 2 });
  for (const replica of rig.replicas) replica.serve(() => 'HTTP/9 what\r\n\r\n');
  const client = await rig.client();
  client.send(get('/'));
  assert.equal(statusOf(await client.response()), 502);
  assert.equal(
    requestsSeen(rig).reduce((sum, count) => sum + count),
    1,
  );
});

test('a replica that does not answer in time is not asked again', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, responseTimeoutMs: 1000 });
  const client = await rig.client();
  client.send(get('/', rig.ownedBy(0)));
  await (await rig.replicas[0]!.next()).request();
  rig.advance(1100);
  assert.equal(statusOf(await client.response()), 504);
  assert.equal(rig.replicas[1]!.connections.length, 0);
});

test('beyond three at a time and the budget, failed requests are not tried again', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, retryBudget: 0 });
  // the second replica keeps what it gets, so that every retry stays under way
  rig.replicas[1]!.serve(() => undefined);
  const clients = await Promise.all(Array.from({ length: 8 }, () => rig.client()));
  for (const client of clients) client.send(get('/', rig.ownedBy(0)));
  const first = rig.replicas[0]!;
  await eventually('all at the first replica', () => first.connections.length === 8);
  await Promise.all(first.connections.map((connection) => connection.request()));
  for (const connection of first.connections) connection.close();
  await eventually('three retries', () => rig.replicas[1]!.requests.length === 3);
  await eventually('five failures', () => rig.inFlight === 3);
  const statuses = clients.map(({ received }) => received.slice(9, 12)).sort();
  assert.deepEqual(statuses, ['', '', '', '502', '502', '502', '502', '502']);
});

test('the budget grows with the requests there are', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, retryBudget: 0.5 });
  const [first, second] = rig.replicas;
  second!.serve(() => undefined);
  const clients = await Promise.all(Array.from({ length: 8 }, () => rig.client()));
  for (const client of clients) client.send(get('/', rig.ownedBy(0)));
  await eventually('all at the first replica', () => first!.connections.length === 8);
  await Promise.all(first!.connections.map((connection) => connection.request()));
  for (const connection of first!.connections) connection.close();
  // four saved up by eight requests, and at least three at a time
  await eventually('retries', () => second!.requests.length >= 4);
  await eventually('failures', () => rig.inFlight < 8);
});
