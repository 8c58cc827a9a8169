import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { Route } from '../../../lib/admin/routes/fleet.ts';
import { type LogsParts, logsRoute } from '../../../lib/admin/routes/logs.ts';
import type { LogLine } from '../../../lib/api/types.ts';
import { ReplicaLogs } from '../../../lib/fleet/logs/replica-logs.ts';
import { type Running, requestText, runAdmin } from '../../helpers/admin/admin.ts';
import { eventually } from '../../helpers/eventually.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';
import type { RawClient } from '../../helpers/raw-http.ts';

const BATCH_MS = 100;

describe('/logs', () => {
  const clock = new FakeClock();
  let logs: ReplicaLogs;
  let driver: LogsParts['driver'];
  let admin: Running;
  /** Streams that were told to stop. */
  let ended: number;
  const counted: LogsParts['logs'] = {
    names: () => logs.names(),
    last: (filter, count) => logs.last(filter, count),
    follow(filter, from, listener) {
      const end = logs.follow(filter, from, listener);
      return () => {
        ended++;
        end();
      };
    },
  };
  before(async () => {
    const fleet = { names: () => ['S1', 'S2', 'quiet'] };
    const parts = { logs: counted, fleet, clock };
    const route = logsRoute({ ...parts, driver: 'process' });
    const handle: Route['handle'] = (request) => logsRoute({ ...parts, driver }).handle(request);
    admin = await runAdmin({ routes: [{ ...route, handle }] });
  });
  after(() => admin.stop());
  beforeEach(() => {
    driver = 'process';
    ended = 0;
    logs = new ReplicaLogs(clock);
    print('S1', 'one\ntwo\n');
    print('S2', 'three\n');
  });
  afterEach(() => logs.close());

  function print(name: string, text: string): void {
    logs.open(name, `${name}-1`).write('stdout', Buffer.from(text));
  }

  async function texts(query = ''): Promise<readonly string[]> {
    const { status, body } = await admin.ask('GET', `/logs${query}`);
    assert.equal(status, 200, body);
    const { N, lines } = JSON.parse(body).message as { N: number; lines: readonly LogLine[] };
    assert.equal(N, lines.length);
    return lines.map(({ text }) => text);
  }

  async function stream(query = '', headers: Readonly<Record<string, string>> = {}): Promise<RawClient> {
    const client = await admin.connect();
    const accept = { accept: 'text/event-stream', ...headers };
    client.send(requestText('GET', `/logs${query}`, { headers: accept }));
    await eventually('the head of the stream', () => client.received.includes('retry: '));
    return client;
  }

  const streamed = ({ received }: RawClient): readonly string[] =>
    [...received.matchAll(/^data: (.*)$/gm)].map(([, data]) => (JSON.parse(data!) as LogLine).text);

  it('has the last lines of all replicas', async () => {
    assert.deepEqual(await texts(), ['one', 'two', 'three']);
    assert.deepEqual(await texts('?lines=2'), ['two', 'three']);
  });

  it('has those of the replicas and the instance that are named', async () => {
    assert.deepEqual(await texts('?replica=S1'), ['one', 'two']);
    assert.deepEqual(await texts('?replica=S1&replica=S2&instance=S2-1'), ['three']);
    assert.deepEqual(await texts('?replica=quiet'), []);
  });

  it('streams the last lines and what follows', async () => {
    const client = await stream('?lines=1');
    print('S1', 'four\u001b[2J\n');
    clock.advance(BATCH_MS);
    await eventually('the new line', () => streamed(client).length === 2);
    assert.deepEqual(streamed(client), ['three', 'four\u001b[2J']);
    assert.ok(!client.received.includes('\u001b'));
  });

  it('resumes a stream after the last line that was seen', async () => {
    const { body } = await admin.ask('GET', '/logs');
    const [, second] = (JSON.parse(body).message as { lines: readonly LogLine[] }).lines;
    assert.deepEqual(streamed(await stream('', { 'last-event-id': second!.id })), ['three']);
  });

  it('cuts a stream that nobody reads, and holds nobody up', async () => {
    const client = await stream();
    client.socket.pause();
    const line = `${'x'.repeat(4000)}\n`;
    for (let count = 0; count < 5000 && ended === 0; count++) {
      print('S1', line.repeat(100));
      clock.advance(BATCH_MS);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(ended, 1);
  });

  for (const [query, problem] of [
    ['?lines=-1', 'lines must be a whole number, not "-1"'],
    ['?replica=quite', 'There is no log of a replica "quite"; did you mean quiet?'],
    ['?replica=other', 'There is no log of a replica "other"; there is S1, S2 or quiet'],
    ['?line=3', 'Unknown parameter "line"; did you mean lines?'],
  ] as const) {
    it(`refuses ${query}`, async () => {
      const { status, body } = await admin.ask('GET', `/logs${query}`);
      assert.deepEqual([status, JSON.parse(body).message], [400, `<Error> ${problem}`]);
    });
  }

  it('names where the logs of other drivers are', async () => {
    driver = 'swarm';
    const { status, body } = await admin.ask('GET', '/logs');
    assert.equal(status, 400);
    assert.match(body, /The swarm driver has no logs of replicas: read them with \\"docker service logs/);
  });
});
