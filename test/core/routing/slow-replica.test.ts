/**
 * An open loop of requests on five replicas of which one is ten times slower, in simulated time: what each way to balance
 * makes of the 99th percentile. A replica serves four requests at a time; others wait in it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mix32 } from '../../../lib/core/hashing/hash.ts';
import { NO_KEY } from '../../../lib/core/hashing/hash-key.ts';
import { maglevPlacement } from '../../../lib/core/hashing/maglev.ts';
import { LOOK_MS, RelativeSpeeds } from '../../../lib/core/policy/relative-speed.ts';
import type { Balance } from '../../../lib/core/routing/load-picker.ts';
import { Picker } from '../../../lib/core/routing/pick.ts';
import { RouteTable, RouteTableWriter } from '../../../lib/core/routing/route-table.ts';
import { fleetOf } from '../fleets.ts';

const REPLICAS = 5;
const AT_A_TIME = 4;
const SERVICE_MS = [10, 1, 1, 1, 1];
const REQUESTS = 20_000;
/** Three requests a millisecond: an even share, 0.6, is one and a half times what the slow replica can serve. */
const GAP_MS = 1 / 3;

interface Result {
  readonly p99Ms: number;
  readonly slowShare: number;
}

/** The 99th percentile of latency, and the share of the slow replica. */
function run(balance: Balance, loadFactor: number, comparesSpeeds = false): Result {
  const placement = maglevPlacement(65_537);
  const writer = new RouteTableWriter({ slots: placement.slots, ordinals: REPLICAS, workers: 1 });
  const table = new RouteTable(writer.buffer, writer.shape, 0);
  for (let ordinal = 0; ordinal < REPLICAS; ordinal++) writer.setState(ordinal, 'healthy');
  writer.publish((slots) => placement.build(fleetOf(REPLICAS), slots));
  const policy = { placement, loadFactor, loadFloor: 0, maxInFlight: 1_000_000, balance };
  const picker = new Picker(table, policy);
  // of each replica when each of its servers is free, and requests that end, in the order of their ends
  const freeMs = SERVICE_MS.map(() => new Array<number>(AT_A_TIME).fill(0));
  const ends: { readonly atMs: number; readonly ordinal: number }[] = [];
  const latenciesMs: number[] = [];
  let slow = 0;
  const speeds = new RelativeSpeeds();
  const times = SERVICE_MS.map(() => ({ count: 0, octaves: 0 }));
  let lookMs = LOOK_MS;
  for (let request = 0; request < REQUESTS; request++) {
    const nowMs = request * GAP_MS;
    while (ends.length > 0 && ends[0]!.atMs <= nowMs) table.release(ends.shift()!.ordinal);
    if (comparesSpeeds && nowMs >= lookMs) {
      lookMs += LOOK_MS;
      const seen = speeds.look(new Map(times.map((time, ordinal) => [String(ordinal), { ...time }])));
      for (const [ordinal, speed] of seen) writer.setSpeed(Number(ordinal), speed);
    }
    const ordinal = picker.lease(balance === 'hash' ? mix32(request) : NO_KEY);
    const servers = freeMs[ordinal]!;
    const server = servers.indexOf(Math.min(...servers));
    const atMs = Math.max(nowMs, servers[server]!) + SERVICE_MS[ordinal]!;
    servers[server] = atMs;
    const place = ends.findLastIndex((end) => end.atMs <= atMs);
    ends.splice(place + 1, 0, { atMs, ordinal });
    latenciesMs.push(atMs - nowMs);
    times[ordinal]!.count++;
    times[ordinal]!.octaves += Math.log2(atMs - nowMs);
    if (ordinal === 0) slow++;
  }
  latenciesMs.sort((a, b) => a - b);
  return { p99Ms: latenciesMs[Math.floor(REQUESTS * 0.99)]!, slowShare: slow / REQUESTS };
}

const plain = run('hash', 0);

for (const balance of ['p2c', 'least'] as const) {
  test(`${balance} at least halves hashing's p99 beside a slow replica`, () => {
    const { p99Ms, slowShare } = run(balance, 0);
    assert.ok(p99Ms <= plain.p99Ms / 2, `${p99Ms} ms, hash ${plain.p99Ms} ms`);
    assert.ok(slowShare < plain.slowShare / 2);
  });
}

test("p2c's p99 beside a slow replica is at most bounded hashing's", () => {
  assert.ok(run('p2c', 0).p99Ms <= run('hash', 1.25).p99Ms);
});

test("p2c's p99 is below one service of a slow replica whose speed is known", () => {
  const { p99Ms, slowShare } = run('p2c', 0, true);
  assert.ok(p99Ms < SERVICE_MS[0]! / 2, `${p99Ms} ms`);
  assert.ok(slowShare < 0.01, String(slowShare));
});
