import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { eventsRoute } from '../../../lib/admin/routes/events.ts';
import type { FleetEvent } from '../../../lib/api/types.ts';
import { Journal } from '../../../lib/fleet/journal.ts';
import { type Running, requestText, runAdmin } from '../../helpers/admin/admin.ts';
import { eventually } from '../../helpers/eventually.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';
import type { RawClient } from '../../helpers/raw-http.ts';

const NO_COST = { read: () => ({ retried: 0, held: 0, failed: 0 }) };

describe('/events', () => {
  const clock = new FakeClock();
  let journal: Journal;
  let admin: Running;
  before(async () => {
    const events = {
      after: (id: string) => journal.after(id),
      subscribe: (listener: (event: FleetEvent) => void) => journal.subscribe(listener),
    };
    admin = await runAdmin({ routes: [eventsRoute(events, clock)] });
  });
  after(() => admin.stop());
  beforeEach(() => {
    clock.advance(1);
    journal = new Journal(clock, NO_COST);
    for (const cause of ['one', 'two', 'three']) journal.note({ kind: 'unhealthy', replica: 'S1', cause });
  });

  const ids = (): readonly string[] => journal.after('').map(({ id }) => id);

  /** The causes in a JSON answer. */
  async function causes(query: string): Promise<readonly (string | null)[]> {
    const { status, body } = await admin.ask('GET', `/events${query}`);
    assert.equal(status, 200, body);
    const { N, events } = JSON.parse(body).message as { N: number; events: readonly FleetEvent[] };
    assert.equal(N, events.length);
    return events.map(({ cause }) => cause);
  }

  async function stream(query = '', headers: Readonly<Record<string, string>> = {}): Promise<RawClient> {
    const client = await admin.connect();
    client.send(
      requestText('GET', `/events${query}`, { headers: { accept: 'text/event-stream', ...headers } }),
    );
    await eventually('the head of the stream', () => client.received.includes('retry: '));
    return client;
  }

  /** The ids that a stream has told so far. */
  function seen({ received }: RawClient): readonly string[] {
    return [...received.matchAll(/^id: (.*)$/gm)].map(([, id]) => id!);
  }

  it('answers with all that is kept, the oldest first', async () => {
    const { headers, body } = await admin.ask('GET', '/events');
    assert.equal(headers['content-type'], 'application/json');
    assert.deepEqual(JSON.parse(body), {
      message: { N: 3, events: journal.after('') },
      status: 'successful',
    });
  });

  it('lists the events since an id, up to a limit', async () => {
    assert.deepEqual(await causes(`?since=${ids()[0]}`), ['two', 'three']);
    assert.deepEqual(await causes(`?since=${ids()[0]}&limit=1`), ['two']);
    assert.deepEqual(await causes(`?since=${ids()[2]}`), []);
  });

  it('answers with the last ones where there is but a limit', async () => {
    assert.deepEqual(await causes('?limit=2'), ['two', 'three']);
    assert.deepEqual(await causes('?limit=0'), []);
  });

  it('answers with everything to an id of an earlier balancer', async () => {
    assert.deepEqual(await causes('?since=abc-2'), ['one', 'two', 'three']);
  });

  for (const [query, problem] of [
    ['?since=yesterday', 'since must be the id of an event, not "yesterday"'],
    ['?limit=-1', 'limit must be a whole number, not "-1"'],
    ['?limit=two', 'limit must be a whole number, not "two"'],
    ['?sinc=1', 'Unknown parameter "sinc"; did you mean since?'],
    ['?x=1', 'Unknown parameter "x"; there is since or limit'],
    ['?limit=1&limit=2', 'The parameter "limit" is there twice'],
  ] as const) {
    it(`refuses ${query}`, async () => {
      const { status, body } = await admin.ask('GET', `/events${query}`);
      assert.deepEqual([status, JSON.parse(body).message], [400, `<Error> ${problem}`]);
    });
  }

  it('streams kept events, then new ones, with id, kind and data', async () => {
    const client = await stream('?limit=1');
    journal.note({ kind: 'healthy', replica: 'S1', ms: 12 });
    await eventually('the new event', () => seen(client).length === 2);
    const [, , last, next] = journal.after('');
    assert.match(client.received, /^content-type: text\/event-stream\r$/m);
    assert.ok(
      client.received.includes(`id: ${last!.id}\nevent: unhealthy\ndata: ${JSON.stringify(last)}\n\n`),
    );
    assert.ok(client.received.includes(`id: ${next!.id}\nevent: healthy\ndata: ${JSON.stringify(next)}\n\n`));
  });

  it('resumes after Last-Event-ID, whatever the query says', async () => {
    const client = await stream(`?since=${ids()[0]}&limit=1`, { 'last-event-id': ids()[1]! });
    journal.note({ kind: 'engine-back' });
    await eventually('the new event', () => seen(client).at(-1) === ids().at(-1));
    assert.deepEqual(seen(client), ids().slice(2));
  });

  it('begins a stream behind the event in its address', async () => {
    const client = await stream(`?since=${ids()[1]}`);
    await eventually('an event', () => seen(client).length > 0);
    assert.deepEqual(seen(client), ids().slice(2));
  });

  for (const id of ['abc-1', 'nonsense', 'abc-99999999999999999999']) {
    it(`streams everything to a client that comes with ${id}`, async () => {
      const client = await stream('', { 'last-event-id': id });
      await eventually('three events', () => seen(client).length === 3);
      assert.deepEqual(seen(client), ids());
    });
  }

  it('says that it is still there when nothing happens', async () => {
    const client = await stream();
    clock.advance(15_000);
    await eventually('the first', () => client.received.split('\n: still here\n').length === 2);
    clock.advance(15_000);
    await eventually('the second', () => client.received.split('\n: still here\n').length === 3);
  });

  it('leaves nothing behind when its client has gone', async () => {
    const before = clock.pending;
    const client = await stream();
    assert.equal(clock.pending, before + 1);
    client.close();
    await eventually('no timer', () => clock.pending === before);
  });

  for (const [accept, isStream] of [
    ['text/event-stream', true],
    ['application/json, Text/Event-Stream;q=0.9', true],
    ['text/event-stream;q=0', false],
    ['text/event-streams', false],
    ['*/*', false],
  ] as const) {
    it(`answers Accept: ${accept} with ${isStream ? 'a stream' : 'JSON'}`, async () => {
      const { headers } = await admin.ask('HEAD', '/events', { headers: { accept } });
      assert.equal(headers['content-type'], isStream ? 'text/event-stream' : 'application/json');
    });
  }
});
