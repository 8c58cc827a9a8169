/** How containers end, as a balancer tells of it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { FleetEvent } from '../../lib/api/types.ts';
import type { Balancer } from '../helpers/balancer.ts';
import { buildImage, docker, freshPool, skipDocker } from '../helpers/docker/docker.ts';
import { Stage, until } from '../helpers/docker/stage.ts';

/**
 * S1 serves, and ends with a reason on its standard output when it is asked to; S2 takes all memory once it is healthy;
 * S3 ends before it listens, with a reason on its standard output; S4 knows no probe path; S5 is deaf to the network.
 */
const PROGRAM = `
  const { PORT, SERVER_ID } = process.env;
  let probes = 0;
  const eat = () => { const kept = []; for (;;) kept.push(Buffer.alloc(50e6, 1)); };
  const say = (text, code) => process.stdout.write(text, () => process.exit(code));
  const serve = (host) => require('http').createServer((request, response) => {
    if (request.url === '/die') say('Error: the licence was removed', 5);
    if (SERVER_ID === 'S2' && ++probes === 3) setTimeout(eat, 100);
    response.statusCode = SERVER_ID === 'S4' ? 404 : 200;
    response.end();
  }).listen(PORT, host);
  if (SERVER_ID === 'S3') setTimeout(say, 300, 'no database at db:5432', 4);
  else serve(SERVER_ID === 'S5' ? '127.0.0.1' : undefined);`;
const IMAGE = `${freshPool()}-ending`;
/** What the program does goes by its name, which containers of other tests may have at the same time. */
const PREFIX = `--container-prefix ${freshPool()}-`;

describe('a balancer over containers that end', { skip: skipDocker ?? false, timeout: 300_000 }, () => {
  before(() => buildImage(IMAGE, [`CMD ${JSON.stringify(['node', '-e', PROGRAM])}`]));
  after(() => docker('rmi', '--force', IMAGE));

  const ended = (balancer: Balancer, name: string, kind: string) =>
    until(`an end of ${name} by ${kind}`, async () => {
      const { ending } = await balancer.replica(name);
      return ending?.kind === kind && ending;
    });
  const logged = (balancer: Balancer, name: string, begin: string) =>
    until(`a line of ${name} with "${begin}"`, () =>
      balancer.lines.find(({ replica, msg }) => replica === name && msg.includes(begin)),
    );

  it('shows the standard output of one that exited at once', async (t) => {
    const balancer = await new Stage(t).start({ image: IMAGE, args: `${PREFIX} --replicas 1` });
    await until('S1 is healthy', async () => (await balancer.replica('S1')).state === 'healthy');
    await balancer.ask('GET', '/die').catch(() => {});
    const ending = await ended(balancer, 'S1', 'exit');
    const text = 'exit 5: Error: the licence was removed';
    assert.deepEqual(ending, { kind: 'exit', code: 5, signal: null, text });
    const { message } = JSON.parse((await balancer.askAdmin('GET', '/events')).body) as {
      message: { events: readonly FleetEvent[] };
    };
    assert.equal(message.events.find(({ kind }) => kind === 'died')?.cause, text);
  });

  it('shows the last output of an unhealthy one, and backs off', async (t) => {
    const balancer = await new Stage(t).start({ image: IMAGE, args: `${PREFIX} --replicas 3` });
    const text = 'exit 4: no database at db:5432';
    // the start after this one does not wait for a busy engine to find its output
    const ending = await until('its last output', async () => {
      const last = await ended(balancer, 'S3', 'exit');
      assert.equal(last.text, text);
      return last;
    });
    assert.deepEqual(ending, { kind: 'exit', code: 4, signal: null, text });
    // on a busy machine it ends before its start is over
    const { cause = '' } = await logged(balancer, 'S3', 'crash loop');
    assert.match(cause, /^(The replica S3 did not stay up: )?exit 4: no database at db:5432$/);
  });

  it('distinguishes running out of memory from a kill, and backs off', async (t) => {
    const balancer = await new Stage(t).start({ image: IMAGE, args: `${PREFIX} --replicas 2` });
    const { code, signal, text } = await ended(balancer, 'S2', 'out-of-memory');
    assert.deepEqual([code, signal, text], [137, 'SIGKILL', 'out of memory']);
    assert.equal((await logged(balancer, 'S2', 'crash loop')).cause, 'out of memory');
  });

  it('names the helpful option where one is not healthy in time', async (t) => {
    const balancer = await new Stage(t).start({
      image: IMAGE,
      args: `${PREFIX} --replicas 5 --start-timeout 4s`,
    });
    assert.match(
      (await ended(balancer, 'S4', 'start-timeout')).text,
      /--start-timeout.* \/heartbeat responds with 404.*--probe-path/,
    );
    assert.match(
      (await ended(balancer, 'S5', 'start-timeout')).text,
      /--start-timeout.*connection refused.*--replica-port.*0\.0\.0\.0/,
    );
    await logged(balancer, 'S5', 'not healthy in time');
    const loops = balancer.lines.filter(({ msg }) => msg.includes('crash loop'));
    assert.deepEqual(
      [...new Set(loops.map(({ replica }) => replica))].filter((name) => name === 'S4' || name === 'S5'),
      [],
    );
  });
});
