import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { ExplainView, FleetEvent, Preview } from '../../lib/api/types.ts';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';
import { RawClient } from '../helpers/raw-http.ts';

const USERS = Array.from({ length: 12 }, (_, index) => `user-${index}`);

describe('a balancer that is operated', () => {
  let balancer: Balancer;
  before(async () => {
    balancer = await Balancer.ready('--hash-key header:x-user --probe-interval 200ms --max-replicas 8');
  });
  after(() => balancer.stop());
  beforeEach(() => balancer.untilHealthy(3));

  /** The message of an answer that succeeded. */
  async function message<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await balancer.askAdmin(method, path, { body });
    assert.equal(answer.status, 200, answer.body);
    return (JSON.parse(answer.body) as { message: T }).message;
  }

  const events = async (since: string): Promise<readonly FleetEvent[]> =>
    (await message<{ events: readonly FleetEvent[] }>('GET', `/events?since=${since}`)).events;
  const lastId = async (): Promise<string> =>
    (await message<{ events: readonly FleetEvent[] }>('GET', '/events?limit=1')).events[0]!.id;
  const explain = (query: string): Promise<ExplainView> => message('GET', `/explain?${query}`);
  const homeOf = (user: string): Promise<string> => balancer.home({ 'x-user': user });

  it('tells how its fleet came to be', async () => {
    const told = await message<{ events: readonly FleetEvent[] }>('GET', '/events');
    for (const name of ['S1', 'S2', 'S3'])
      assert.deepEqual(
        told.events.filter(({ replica }) => replica === name).map(({ kind }) => kind),
        ['added', 'started', 'healthy'],
      );
  });

  it('lists, streams and logs a death and its healing', async () => {
    const [since, { instance }] = [await lastId(), await balancer.replica('S1')];
    const client = await RawClient.connect(balancer.adminPort);
    client.send('GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n');
    client.send(`Last-Event-ID: ${since}\r\n\r\n`);
    process.kill(await balancer.pidOf('S1'), 'SIGKILL');
    const told = await eventually('the replacement', async () => {
      const all = (await events(since)).filter(({ replica }) => replica === 'S1');
      return all.at(-1)?.kind === 'replaced' && all;
    });
    assert.deepEqual(
      told.filter(({ kind }) => kind !== 'unhealthy').map(({ kind }) => kind),
      ['died', 'started', 'healthy', 'replaced'],
    );
    const died = told.find(({ kind }) => kind === 'died');
    assert.deepEqual([died?.instance, died?.cause], [instance, 'SIGKILL']);
    const replaced = told.at(-1)!;
    assert.ok(replaced.ms! > 0 && replaced.cost !== null && replaced.instance !== instance);
    await eventually('the same in the stream', () => client.received.includes(`id: ${replaced.id}\n`));
    client.close();
    const line = balancer.lines.findLast(({ replica, to }) => replica === 'S1' && to === 'starting');
    assert.equal(line?.instance, instance);
  });

  it('explains every key, also while its owner is drained', async () => {
    for (const user of USERS) {
      const { owner, replica, reason, source } = await explain(`header.x-user=${user}`);
      assert.deepEqual([replica, reason, source], [owner, 'owner', 'header:x-user']);
      assert.equal(await homeOf(user), replica);
    }
    await message('POST', '/drain', { hostnames: ['S2'] });
    for (const user of USERS) {
      const { owner, replica, reason } = await explain(`key=${user}`);
      assert.equal(reason, owner === 'S2' ? 'owner-not-eligible' : 'owner');
      assert.notEqual(replica, 'S2');
      assert.equal(await homeOf(user), replica);
    }
    await message('POST', '/undrain', { hostnames: ['S2'] });
  });

  it('drains a replica and puts it back, but never the last', async () => {
    const [user] = USERS.filter((_, index) => index < 1);
    const home = await homeOf(user!);
    const others = ['S1', 'S2', 'S3'].filter((name) => name !== home);
    assert.deepEqual(await message('POST', '/drain', { hostnames: [home] }), {
      N: 3,
      replicas: ['S1', 'S2', 'S3'],
      draining: [home],
    });
    assert.notEqual(await homeOf(user!), home);
    const { state, draining } = await balancer.replica(home);
    assert.deepEqual([state, draining], ['healthy', true]);
    const refused = await balancer.askAdmin('POST', '/drain', { body: { hostnames: others } });
    assert.equal(refused.status, 400);
    await message('POST', '/undrain', { hostnames: [home] });
    assert.equal(await homeOf(user!), home);
  });

  it('has no drain on its public port', async () => {
    const { status } = await balancer.ask('POST', '/drain', { body: { hostnames: ['S1'] } });
    assert.equal(status, 404);
    assert.equal((await balancer.replica('S1')).draining, false);
  });

  for (const [method, path, body] of [
    ['POST', '/add', { n: 2, hostnames: ['web'] }],
    ['DELETE', '/rm', { n: 1, hostnames: ['S2'] }],
    ['POST', '/rm', { n: 2 }],
  ] as const) {
    it(`previews ${method} ${path} on both ports, then does just that`, async () => {
      const before = await message('GET', '/ring');
      const since = await lastId();
      const shown = await balancer.ask(method, `${path}?dry-run`, { body });
      const { message: preview } = JSON.parse(shown.body) as { message: Preview };
      assert.deepEqual([shown.status, preview.dryRun], [200, true]);
      assert.deepEqual(await message(method, `${path}?dry-run`, body), preview);
      assert.deepEqual(await message('GET', '/ring'), before);
      assert.deepEqual(await events(since), []);
      const done = await message<{ replicas: readonly string[] }>(method, path, body);
      assert.deepEqual(done.replicas, preview.replicas);
      const back = path === '/add' ? '/rm' : '/add';
      const hostnames = path === '/add' ? preview.added : preview.removed;
      await message('POST', back, { n: hostnames.length, hostnames });
    });
  }

  it('refuses a dry run with the words of the real thing', async () => {
    for (const path of ['/add', '/add?dry-run']) {
      const { status, body } = await balancer.ask('POST', path, { body: { n: 9 } });
      assert.equal(status, 400);
      assert.match(body, /n is 9, but with 3 replicas at most 5 more fit under max-replicas 8/);
    }
  });

  it('shows in debug headers how a request was served', async () => {
    const { replica } = await explain('key=user-1');
    const { headers } = await balancer.ask('GET', '/home', {
      headers: { 'x-user': 'user-1', 'x-ringlb-debug': '1' },
    });
    assert.deepEqual([headers['x-ringlb-replica'], headers['x-ringlb-attempts']], [replica, '1']);
    assert.match(String(headers['x-ringlb-first-byte-ms']), /^\d+\.\d$/);
  });
});

describe('a balancer whose only replica dies', () => {
  it('tells of the replacement that it held a request', async (t) => {
    const balancer = await Balancer.ready('--replicas 1');
    t.after(() => balancer.stop());
    process.kill(await balancer.pidOf('S1'), 'SIGKILL');
    assert.equal(await balancer.home(), 'S1');
    const replaced = await eventually('the replacement', async () => {
      const { body } = await balancer.askAdmin('GET', '/events?limit=1');
      const [event] = (JSON.parse(body) as { message: { events: readonly FleetEvent[] } }).message.events;
      return event?.kind === 'replaced' && event;
    });
    assert.ok(replaced.cost!.held >= 1, JSON.stringify(replaced.cost));
    assert.equal(replaced.cost!.failed, 0);
  });
});
