import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { RouteRequest } from '../../../lib/admin/routes/fleet.ts';
import { Live } from '../../../lib/admin/routes/live.ts';
import type { History, Snapshot } from '../../../lib/api/snapshot.ts';
import type { FleetEvent } from '../../../lib/api/types.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';

const event = (number: number): FleetEvent => ({
  id: `a-${number}`,
  time: '2026-11-21T03:12:00.000Z',
  kind: 'died',
  replica: 'S1',
  instance: null,
  image: null,
  cause: null,
  ms: null,
  count: 1,
  since: '2026-11-21T03:12:00.000Z',
  cost: null,
});

const HISTORY = 'history {"atMs":[1,2]}';

describe('/live', () => {
  let clock: FakeClock;
  let events: FleetEvent[];
  let made: number;
  let sampled: boolean[];
  let live: Live;
  beforeEach(() => {
    clock = new FakeClock();
    events = [];
    made = 0;
    sampled = [];
    live = new Live({
      clock,
      snapshots: {
        sample: (isWatched) => sampled.push(isWatched),
        snapshot: () => ({ atMs: ++made }) as Snapshot,
        history: { read: () => ({ atMs: [1, 2] }) as unknown as History },
      },
      events: { after: (id) => events.slice(events.findIndex((one) => one.id === id) + 1) },
    });
    live.start();
  });

  afterEach(() => live.close());

  /** Someone who listens; `heard` takes what came since. */
  async function join() {
    const reply = await live.route.handle({ query: new URLSearchParams() } as RouteRequest);
    assert.ok('begin' in reply);
    let text = '';
    const leave = reply.begin((more) => {
      text += more;
    });
    const heard = () => {
      const lines = text.split('\n\n').filter(Boolean);
      text = '';
      return lines.map((line) => line.replace('event: ', '').replace('\ndata: ', ' '));
    };
    return { leave, heard, reply };
  }

  const snapshot = (number: number) => `snapshot {"atMs":${number}}`;

  it('is an event stream that intermediaries may not keep', async () => {
    const { reply } = await join();
    assert.equal(reply.status, 200);
    assert.equal(reply.headers['content-type'], 'text/event-stream');
    assert.equal(reply.headers['cache-control'], 'no-store');
  });

  it('refuses parameters', async () => {
    const query = new URLSearchParams('since=1');
    assert.throws(() => live.route.handle({ query } as RouteRequest), { code: 'bad-request' });
  });

  it('tells a snapshot at once and then one a second', async () => {
    const { heard } = await join();
    assert.deepEqual(heard(), [HISTORY, 'events []', snapshot(1)]);
    clock.advance(999);
    assert.deepEqual(heard(), []);
    clock.advance(1);
    assert.deepEqual(heard(), [snapshot(2)]);
    clock.advance(2000);
    assert.deepEqual(heard(), [snapshot(3), snapshot(4)]);
  });

  it('makes one snapshot for all, with one timer', async () => {
    const first = await join();
    const second = await join();
    assert.equal(clock.pending, 1);
    clock.advance(1000);
    assert.equal(made, 2);
    assert.deepEqual(first.heard().at(-1), snapshot(2));
    assert.deepEqual(second.heard(), [HISTORY, 'events []', snapshot(1), snapshot(2)]);
  });

  it('samples each second, and makes no snapshot while nobody listens', async () => {
    clock.advance(2000);
    const first = await join();
    const second = await join();
    clock.advance(1000);
    first.leave();
    second.leave();
    clock.advance(1000);
    assert.deepEqual([sampled, made, live.clients], [[false, false, false, true, false], 2, 0]);
    const third = await join();
    assert.deepEqual(third.heard(), [HISTORY, 'events []', snapshot(3)]);
  });

  it('sends the last 200 events, then new ones, each once', async () => {
    events = Array.from({ length: 300 }, (_, number) => event(number));
    const { heard } = await join();
    const [, known] = heard();
    const told = JSON.parse(known!.slice('events '.length)) as FleetEvent[];
    assert.deepEqual([told.length, told[0]?.id, told.at(-1)?.id], [200, 'a-100', 'a-299']);
    events.push(event(300), event(301));
    clock.advance(1000);
    assert.deepEqual(heard(), [`events ${JSON.stringify([event(300), event(301)])}`, snapshot(2)]);
    clock.advance(1000);
    assert.deepEqual(heard(), [snapshot(3)]);
  });

  it('tells one who comes between two seconds no event twice', async () => {
    events = [event(1)];
    await join();
    events.push(event(2));
    const late = await join();
    clock.advance(1000);
    const told = late.heard().filter((line) => line.startsWith('events'));
    assert.deepEqual(told, [`events ${JSON.stringify([event(1)])}`, `events ${JSON.stringify([event(2)])}`]);
  });

  it('does not drift when a second was late', async () => {
    const slow = new FakeClock();
    const times: number[] = [];
    const source = {
      sample: () => times.push(slow.nowMs()),
      snapshot: () => ({}) as Snapshot,
      history: { read: () => undefined },
    };
    new Live({ clock: slow, snapshots: source, events: { after: () => [] } }).start();
    slow.advance(3000);
    assert.deepEqual(times, [0, 1000, 2000, 3000]);
  });
});
