/** The host of a request: Host, targets in absolute form, and what is hashed of them. RFC 9110 section 7.2, RFC 9112 section 3.2. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashKeyOf, parseHashKey } from '../../lib/core/hashing/hash-key.ts';
import { failureOf, get, headersOf, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';

/** How the same bytes come: whole, cut, behind another request. */
const WAYS = ['whole', 'cut', 'pipelined'] as const;

/** A rig of eight replicas that place requests by `source`. */
async function placedBy(t: Parameters<typeof Rig.open>[0], source: string): Promise<Rig> {
  const hashKey = parseHashKey(source);
  if (!('value' in hashKey)) throw new Error(hashKey.problem);
  const rig = await Rig.open(t, { replicas: 8, hashKey: hashKey.value });
  for (const replica of rig.replicas) replica.serve();
  return rig;
}

/** Sends the bytes in this way; the replica that got the request, by its ordinal. */
async function placeOf(rig: Rig, wire: string, way: (typeof WAYS)[number]): Promise<number> {
  const before = rig.replicas.map(({ requests }) => requests.length);
  const client = await rig.client();
  if (way === 'cut') {
    client.send(wire.slice(0, 10));
    await new Promise(setImmediate);
    client.send(wire.slice(10));
  } else client.send(way === 'pipelined' ? `${wire}${wire}` : wire);
  for (let count = 0; count < (way === 'pipelined' ? 2 : 1); count++)
    assert.equal(statusOf(await client.response()), 200);
  client.close();
  return rig.replicas.findIndex(({ requests }, at) => requests.length > before[at]!);
}

for (const way of WAYS) {
  test(`hosts that differ in case or port are one key: ${way}`, async (t) => {
    const rig = await placedBy(t, 'header:host');
    const owner = rig.ownerOf(hashKeyOf('shop.test', 'maglev'));
    for (const host of ['shop.test', 'Shop.TEST', 'shop.test:80', 'SHOP.test:8080', 'shop.test:'])
      assert.equal(
        await placeOf(
          rig,
          get('/').replace('a.example', () => host),
          way,
        ),
        owner,
        host,
      );
  });

  test(`target in absolute form is hashed by its own host: ${way}`, async (t) => {
    const rig = await placedBy(t, 'header:host');
    const owner = rig.ownerOf(hashKeyOf('shop.test', 'maglev'));
    for (const target of [
      'http://shop.test/',
      'HTTP://Shop.test:80/a?b',
      'http://shop.test',
      'https://shop.test?c',
    ]) {
      assert.equal(
        await placeOf(rig, `GET ${target} HTTP/1.1\r\nHost: other.test\r\n\r\n`, way),
        owner,
        target,
      );
      const request = rig.replicas[owner]!.requests.at(-1)!;
      const [authority] = /(?<=\/\/)[^/?]+/.exec(target)!;
      assert.deepEqual(headersOf(request, 'host'), [authority]);
      assert.deepEqual(headersOf(request, 'x-forwarded-host'), [authority]);
      assert.match(request.startLine, /^GET \/(a\?b|\?c)? HTTP\/1\.1$/);
    }
  });

  test(`a target in absolute form is hashed by its path: ${way}`, async (t) => {
    for (const [source, key] of [
      ['path', '/a'],
      ['uri', '/a?user=7'],
      ['query:user', '7'],
      ['cookie:sid', '42'],
      ['header:x-user', '9'],
    ] as const) {
      const rig = await placedBy(t, source);
      const wire = `GET http://shop.test/a?user=7 HTTP/1.1\r\nHost: other.test\r\nX-User: 9\r\nCookie: sid=42\r\n\r\n`;
      assert.equal(await placeOf(rig, wire, way), rig.ownerOf(hashKeyOf(key, 'maglev')), source);
    }
  });
}

for (const host of ['a,b', 'a.b,c:80', "a!$&'()*+,;=b", 'a%2Cb', '[::1]:80', '[v1.a:b]', 'a_b', '']) {
  test(`Host: ${host} passes`, async (t) => {
    const rig = await Rig.open(t);
    rig.replica.serve();
    const client = await rig.client();
    for (const wire of [get('/'), get('/', 'X-A: 1\r\nConnection: close, x-b\r\n')]) {
      client.send(wire.replace('a.example', () => host));
      assert.equal(statusOf(await client.response()), 200);
      assert.deepEqual(headersOf(rig.replica.requests.at(-1)!, 'host'), [host]);
    }
  });
}

for (const host of ['a b', 'a/b', 'a@b', 'a?b', 'a#b', 'a\\b', '"a"', '<a>', 'a\xe4']) {
  test(`Host: ${host} is refused`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(get('/').replace('a.example', () => host));
    assert.equal(statusOf(await client.response()), 400);
    assert.equal(rig.replica.connections.length, 0);
  });
}

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
for (const wire of [
  PREFACE,
  `${PREFACE}\0\0\x12\x04\0\0\0\0\0`,
  ...['HTTP/3.1', 'HTTP/3.0', 'HTTP/2.0', 'HTTP/0.9', 'HTTP/1.2', 'HTTP/9.9'].map(
    (version) => `GET / ${version}\r\nHost: a\r\n\r\n`,
  ),
  'POST / HTTP/2.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'GET / HTTP/2.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
]) {
  test(`${JSON.stringify(wire.slice(0, 16))}… gets 505 at any cut`, async (t) => {
    const rig = await Rig.open(t);
    rig.replica.serve();
    for (let cut = 0; cut < 18; cut += 1) {
      for (const before of ['', get('/')]) {
        const client = await rig.client();
        client.send(before + wire.slice(0, cut));
        await new Promise(setImmediate);
        client.send(wire.slice(cut));
        if (before !== '') assert.equal(statusOf(await client.response()), 200);
        const answer = await client.response();
        assert.equal(statusOf(answer), 505, `cut at ${cut}`);
        assert.equal(failureOf(answer), '<Error> Only HTTP/1.0 and HTTP/1.1 are understood');
        await client.over();
      }
    }
  });
}

for (const line of [
  'GET / HTTQ/1.1',
  'GET / HTTP/11.1',
  'GET / HTTP/1',
  'GET / HTTP/x.y',
  'GET / HTTP/1.1x',
]) {
  test(`${line} gets 400`, async (t) => {
    const rig = await Rig.open(t);
    const client = await rig.client();
    client.send(`${line}\r\nHost: a\r\n\r\n`);
    assert.equal(statusOf(await client.response()), 400);
    await client.over();
  });
}
