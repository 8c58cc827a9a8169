/** Requests that are given by load: `--balance p2c` and `least`, and p2c as the last of a hash key. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashKeyOf } from '../../lib/core/hashing/hash-key.ts';
import { eventually } from '../helpers/eventually.ts';
import { get, ok } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';

const BY_LOAD = [{ kind: 'p2c' }] as const;

/** Replicas that respond with their number; the first has three requests in flight until the test is over. */
async function rigWithBusyFirst(
  t: { after(run: () => unknown): void },
  settings: Parameters<typeof Rig.open>[1],
): Promise<Rig> {
  const rig = await Rig.open(t, settings);
  for (const [ordinal, replica] of rig.replicas.entries()) replica.serve(() => ok(`S${ordinal + 1}`));
  for (let request = 0; request < 3; request++) rig.thread.table.acquire(0, 99);
  t.after(() => {
    for (let request = 0; request < 3; request++) rig.thread.table.release(0);
  });
  return rig;
}

async function bodyOf(rig: Rig, headers = ''): Promise<string> {
  const client = await rig.client();
  client.send(get('/', headers));
  return (await client.response()).body;
}

for (const balance of ['p2c', 'least'] as const) {
  test(`with ${balance} requests avoid a busy replica, whoever owns their ids`, async (t) => {
    const rig = await rigWithBusyFirst(t, { replicas: 2, balance, hashKey: BY_LOAD });
    for (let request = 0; request < 5; request++) assert.equal(await bodyOf(rig, rig.ownedBy(0)), 'S2');
  });
}

test('with p2c last, keyed requests go to owners, others by load', async (t) => {
  const hashKey = [{ kind: 'header', name: 'x-user' }, { kind: 'p2c' }] as const;
  const rig = await rigWithBusyFirst(t, { replicas: 2, hashKey });
  let user = 0;
  while (rig.ownerOf(hashKeyOf(String(user), 'maglev')) !== 0) user++;
  assert.equal(await bodyOf(rig, `X-User: ${user}\r\n`), 'S1');
  for (let request = 0; request < 5; request++) assert.equal(await bodyOf(rig), 'S2');
});

test('with p2c a request waits while every replica is full', async (t) => {
  const rig = await Rig.open(t, { replicas: 1, balance: 'p2c', hashKey: BY_LOAD, maxInFlight: 1 });
  const [first, second] = [await rig.client(), await rig.client()];
  first.send(get('/first'));
  const held = await rig.replica.next();
  await held.request();
  second.send(get('/second'));
  await eventually('the second waits', () => rig.waiting === 1);
  held.send(ok('one'));
  assert.equal((await first.response()).body, 'one');
  assert.match((await held.request()).startLine, /second/);
  held.send(ok('two'));
  assert.equal((await second.response()).body, 'two');
  await rig.settled();
});

test('with p2c a request that a replica refuses goes to another', async (t) => {
  const rig = await Rig.open(t, { replicas: 2, balance: 'p2c', hashKey: BY_LOAD });
  rig.place(0, { host: '127.0.0.1', port: 1 });
  rig.replicas[1]!.serve(() => ok('S2'));
  for (let request = 0; request < 5; request++) assert.equal(await bodyOf(rig), 'S2');
  await rig.settled();
});
