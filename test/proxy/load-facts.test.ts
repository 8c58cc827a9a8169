/** After thousands of requests, a third of them aborted at random points, nothing is leaked. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { get, ok } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';
import { misbehaving, seeded, storm } from '../helpers/proxy/storm.ts';

const DESCRIPTORS = '/proc/self/fd';
const IS_LINUX = existsSync(DESCRIPTORS);

const descriptors = (): number => (IS_LINUX ? readdirSync(DESCRIPTORS).length : 0);
const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;

/** Nobody acts on what the thread reports, so replicas are said to be healthy again as a control plane would. */
function heal(rig: Rig): NodeJS.Timeout {
  return setInterval(() => {
    rig.advance(100);
    for (const { ordinal } of rig.reports.splice(0)) rig.setState(ordinal, 'healthy');
  }, 20);
}

test('10,000 requests, many aborted, leave no socket, descriptor or timer behind', async (t) => {
  const random = seeded(20_260_801);
  const rig = await Rig.open(t, {
    replicas: 3,
    maxInFlight: 8,
    queueDepth: 64,
    loadFactor: 1.25,
    responseTimeoutMs: 2000,
    queueTimeoutMs: 2000,
  });
  for (const replica of rig.replicas) replica.serve(() => ok('hello'));
  await storm(rig, random, { requests: 20, atOnce: 4 });
  await rig.settled();
  rig.closeIdle();
  const before = { descriptors: descriptors(), timers: timers() };

  for (const replica of rig.replicas) replica.serve(misbehaving(random));
  const healing = heal(rig);
  await storm(rig, random, { requests: 10_000, atOnce: 32 });
  await rig.settled();
  clearInterval(healing);

  rig.closeIdle();
  for (const { ordinal } of rig.reports.splice(0)) rig.setState(ordinal, 'healthy');
  assert.deepEqual(
    [0, 1, 2].map((ordinal) => rig.table.inFlight(ordinal)),
    [0, 0, 0],
  );
  await eventually('every socket closed', () => descriptors() <= before.descriptors, 5000);
  await eventually('every timer gone', () => timers() <= before.timers, 5000);

  for (const replica of rig.replicas) replica.serve(() => ok('hello'));
  const client = await rig.client();
  for (let count = 0; count < 20; count++) {
    client.send(get('/'));
    assert.equal((await client.response()).body, 'hello');
  }
});

test('requests over two workers, many aborted, leave nothing behind', async (t) => {
  const random = seeded(7);
  const rig = await Rig.open(t, {
    threads: 2,
    replicas: 2,
    maxInFlight: 2,
    queueDepth: 32,
    queueTimeoutMs: 1000,
  });
  for (const replica of rig.replicas) replica.serve(misbehaving(random));
  const healing = heal(rig);
  await Promise.all([0, 1].map((thread) => storm(rig, random, { requests: 500, atOnce: 16, thread })));
  await rig.settled();
  clearInterval(healing);
  assert.deepEqual(
    [0, 1].map((ordinal) => rig.table.inFlight(ordinal)),
    [0, 0],
  );
});
