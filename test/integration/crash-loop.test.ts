import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';

const SAMPLE = `${process.execPath} ${fileURLToPath(new URL('../../replica/server.ts', import.meta.url))}`;
const COMMAND = `case $SERVER_ID in S2|bad*) echo it is broken >&2; exit 3;; esac; exec ${SAMPLE}`;

describe('a balancer with a replica that exits at start', () => {
  let balancer: Balancer;
  before(async () => {
    balancer = await Balancer.serving('', ['--command', COMMAND]);
    await eventually('the others', async () =>
      (await balancer.askAdmin('GET', '/readyz')).body.includes('2 of 3'),
    );
  });
  after(() => balancer.stop());

  it('waits longer before each start, and shows that', async () => {
    const shown = await eventually('a wait', async () => {
      const replica = await balancer.replica('S2');
      return replica.nextStartInMs !== null && replica;
    });
    assert.deepEqual([shown.state, shown.cause], ['starting', 'exit 3: it is broken']);
    const waits = await eventually('three waits', () => {
      const found = balancer.lines.filter(({ msg }) => msg.includes('crash loop'));
      return found.length >= 3 && found;
    });
    assert.deepEqual(
      waits.slice(0, 3).map(({ replica, ms }) => [replica, ms]),
      [1000, 2000, 4000].map((ms) => ['S2', ms]),
    );
  });

  it('says how it ended, for programs and for people', async () => {
    const { ending } = await balancer.replica('S2');
    assert.deepEqual(ending, { kind: 'exit', code: 3, signal: null, text: 'exit 3: it is broken' });
  });

  it('serves through the others meanwhile, and leaves them alone', async () => {
    const seen = new Set<string>();
    for (let count = 0; count < 30; count++) seen.add(await balancer.home());
    assert.deepEqual([...seen].sort(), ['S1', 'S3']);
    for (const name of ['S1', 'S3']) assert.equal((await balancer.replica(name)).restarts, 0);
  });

  it('refuses to add such a replica and says why', async () => {
    const { status, body } = await balancer.ask('POST', '/add', {
      body: { n: 2, hostnames: ['good', 'bad1'] },
    });
    assert.equal(status, 502);
    assert.deepEqual(JSON.parse(body), {
      message: '<Error> bad1 did not start: exit 3: it is broken',
      status: 'failure',
    });
    const names = (await balancer.replicas()).map(({ name }) => name);
    assert.deepEqual(names, ['S1', 'S2', 'S3']);
    assert.equal((await balancer.ask('GET', '/rep')).body.includes('"N":3'), true);
  });

  it('ends in order, without waiting for the next start', async () => {
    assert.deepEqual(await balancer.stop(), { code: 0, signal: null });
    assert.deepEqual(balancer.commandsLeft, []);
    await eventually('the end of its replicas', () => balancer.remains.length === 0);
  });
});

describe('a balancer whose replica exits soon after it is healthy', () => {
  let balancer: Balancer;
  const command = `${SAMPLE} & echo "Error: lock file was removed" >&2; sleep 0.4; exit 1`;
  before(async () => {
    balancer = await Balancer.serving('', ['--replicas', '1', '--command', command]);
  });
  after(() => balancer.stop());

  it('waits longer and longer, whatever the replica wrote of it', async () => {
    const waits = await eventually('two waits', () => {
      const found = balancer.lines.filter(({ msg }) => msg.includes('crash loop'));
      return found.length >= 2 && found;
    });
    assert.deepEqual(
      waits.slice(0, 2).map(({ cause, ms }) => [cause, ms]),
      [1000, 2000].map((ms) => ['exit 1: Error: lock file was removed', ms]),
    );
  });
});
