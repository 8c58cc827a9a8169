import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { Asked } from '../../../lib/admin/routes/api.ts';
import { Live } from '../../../lib/admin/routes/live.ts';
import type { EventLine, Snapshot } from '../../../lib/api/snapshot.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';

const event = (number: number): EventLine => ({
  id: `a-${number}`,
  time: '2026-11-21T03:12:00.000Z',
  kind: 'died',
  replica: 'S1',
  image: null,
  cause: null,
  ms: null,
  count: 1,
  since: '2026-11-21T03:12:00.000Z',
  cost: null,
});

describe('/live', () => {
  let clock: FakeClock;
  let events: EventLine[];
  let made: number;
  let resets: number;
  let live: Live;
  beforeEach(() => {
    clock = new FakeClock();
    events = [];
    made = 0;
    resets = 0;
    live = new Live({
      clock,
      snapshots: {
        next: () => ({ atMs: ++made }) as Snapshot,
        reset: () => {
          resets++;
        },
      },
      events: { after: (id) => events.slice(events.findIndex((one) => one.id === id) + 1) },
    });
  });

  /** Someone who listens; `heard` takes what came since. */
  async function join() {
    const reply = await live.route.answer({} as Asked);
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

  it('is a stream of events that nothing on the way may keep', async () => {
    const { reply } = await join();
    assert.equal(reply.status, 200);
    assert.equal(reply.headers['content-type'], 'text/event-stream');
    assert.equal(reply.headers['cache-control'], 'no-store');
  });

  it('tells a snapshot at once and then one a second', async () => {
    const { heard } = await join();
    assert.deepEqual(heard(), ['events []', snapshot(1)]);
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
    assert.deepEqual(second.heard(), ['events []', snapshot(1), snapshot(2)]);
  });

  it('has no timer while nobody listens, and begins anew then', async () => {
    assert.equal(clock.pending, 0);
    const first = await join();
    const second = await join();
    first.leave();
    assert.equal(clock.pending, 1);
    second.leave();
    assert.deepEqual([clock.pending, resets, live.clients], [0, 1, 0]);
    clock.advance(5000);
    assert.equal(made, 1);
    const third = await join();
    assert.deepEqual(third.heard(), ['events []', snapshot(2)]);
  });

  it('tells the last 200 events first and then what is new, each once', async () => {
    events = Array.from({ length: 300 }, (_, number) => event(number));
    const { heard } = await join();
    const [known] = heard();
    const told = JSON.parse(known!.slice('events '.length)) as EventLine[];
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
      next: () => {
        times.push(slow.nowMs());
        return {} as Snapshot;
      },
      reset: () => {},
    };
    const reply = await new Live({
      clock: slow,
      snapshots: source,
      events: { after: () => [] },
    }).route.answer({} as Asked);
    assert.ok('begin' in reply);
    reply.begin(() => {});
    slow.advance(3000);
    assert.deepEqual(times, [0, 1000, 2000, 3000]);
  });
});
