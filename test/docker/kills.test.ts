/** Containers that end in every way under load: every request is answered, and with 200. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { buildImage, docker, freshPool, skipDocker } from '../helpers/docker/docker.ts';
import { replaced, Stage } from '../helpers/docker/stage.ts';
import { SteadyLoad } from '../helpers/steady-load.ts';
import { ENDS, type End, PROGRAM } from '../helpers/victim.ts';

const IMAGE = `${freshPool()}-victim`;
const CLIENTS = 10;
/** Requests before an end. */
const REQUESTS = 200;
const KILLS: readonly (readonly [number, readonly End[]])[] = [
  [1, ['SIGKILL', 'FIN']],
  [2, ['RST', 'a closed listener']],
];

describe('no request is lost when containers end', { skip: skipDocker ?? false, timeout: 300_000 }, () => {
  before(() => buildImage(IMAGE, ['ENV HOST=0.0.0.0', `CMD ${JSON.stringify(['node', '-e', PROGRAM])}`]));
  after(() => docker('rmi', '--force', IMAGE));

  for (const [workers, ways] of KILLS) {
    it(`by ${ways.join(' or ')}, with ${workers} workers`, async (t) => {
      const args = `--probe-interval 200ms --workers ${workers} --response-timeout 3s`;
      const balancer = await new Stage(t).serve({ image: IMAGE, args });
      const load = new SteadyLoad(balancer.publicPort, { clients: CLIENTS, pauseMs: 0 });
      t.after(() => load.end());
      for (const way of ways) {
        // another container on the engine may have the name that it would have
        const victim = (await balancer.replicas())[1]!;
        const kill = (signal: NodeJS.Signals): Promise<string> =>
          docker('kill', '--signal', signal, victim.instance ?? '');
        await load.more(REQUESTS);
        await kill(ENDS[way]);
        await load.everyone();
        assert.deepEqual(load.failures, [], `by ${way}`);
        // where it is still there; the balancer may have put another in its place by now
        if (way !== 'SIGKILL') await kill('SIGKILL').catch(() => {});
        await replaced(balancer, victim);
      }
      await load.end();
      assert.deepEqual(load.failures, []);
    });
  }
});
