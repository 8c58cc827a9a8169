/** Requests of every kind on one connection: each gets its response, in order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { get, ok, post, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';
import { pathOf, SWITCHED, UPGRADE } from '../helpers/proxy/scenes.ts';
import { fuzzRun, Random } from '../helpers/random.ts';

const CHUNKS = 'POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4 \r\nbody\r\n0\r\n\r\n';
/** A method that few use. */
const RARE = post('/r', 'x').replace('POST', 'REPORT');
/** Asks for what is not passed on. */
const IGNORED = get('/i', 'Connection: Upgrade\r\nUpgrade: h2c\r\n');
const REQUESTS = [
  RARE,
  CHUNKS,
  RARE,
  get('/g'),
  CHUNKS,
  CHUNKS,
  IGNORED,
  RARE,
  CHUNKS,
  post('/p', 'q'.repeat(300_000)),
  IGNORED,
  CHUNKS,
  CHUNKS,
];

/** The path of each, from its request line. */
const paths = (wires: readonly string[]): string[] => wires.map(pathOf);

for (const way of [
  'in one go',
  'one after the other without waiting',
  'byte by byte',
  'each after the answer to the last',
] as const)
  test(`requests of every kind and upgrade are served in turn: ${way}`, async (t) => {
    const rig = await Rig.open(t);
    rig.replica.serve(({ startLine }, connection) => {
      if (!startLine.includes('/chat')) return ok(pathOf(startLine).padEnd(100_000));
      connection.send(SWITCHED);
      return undefined;
    });
    const client = await rig.client();
    const wires = way === 'byte by byte' ? REQUESTS.filter((wire) => wire.length < 1000) : REQUESTS;
    const told: string[] = [];
    if (way === 'in one go') client.send(wires.join(''));
    for (const wire of wires) {
      if (way === 'byte by byte') {
        for (const byte of wire) client.send(byte);
      } else if (way !== 'in one go') {
        client.send(wire);
        await new Promise(setImmediate);
      }
      if (way === 'each after the answer to the last') told.push((await client.response()).body.trim());
    }
    client.send(`${UPGRADE}early`);
    while (told.length < wires.length) told.push((await client.response()).body.trim());
    assert.deepEqual(told, paths(wires));
    assert.equal(statusOf(await client.response()), 101);
    client.close();
    await rig.settled();
  });

test('a thousand chunked requests in one read are served in turn', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve(({ body }) => ok(body));
  const client = await rig.client();
  client.send(CHUNKS.repeat(1000));
  for (let count = 0; count < 1000; count++) assert.equal((await client.response()).body, 'body');
  client.send(get('/last'));
  assert.equal(statusOf(await client.response()), 200);
  await rig.settled();
});

test('a client that disconnects during a chunked upload is noticed', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(CHUNKS);
  const replica = await rig.replica.next();
  await replica.request();
  client.reset();
  await replica.over();
  await rig.settled();
});

const { seed, runs } = fuzzRun(60);
test(`random requests are served in turn (${runs}, seed ${seed})`, async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve(({ startLine }) => ok(pathOf(startLine).padEnd(100_000)));
  const random = new Random(seed);
  for (let run = 0; run < runs; run++) {
    const wires = Array.from({ length: 2 + random.below(8) }, () => random.pick(REQUESTS));
    const client = await rig.client();
    client.send(wires.join(''));
    const told: string[] = [];
    while (told.length < wires.length) told.push((await client.response()).body.trim());
    assert.deepEqual(told, paths(wires), `run ${run}`);
    client.close();
  }
});
