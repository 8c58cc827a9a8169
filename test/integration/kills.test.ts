/** Replicas that end in every way, one after the other, under load: every request is answered, and with 200. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errnoOf } from '../../lib/platform/errors.ts';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';
import { SteadyLoad } from '../helpers/steady-load.ts';
import { ENDS, type End, LocalVictim, PROGRAM, ProcessVictim, type Victim } from '../helpers/victim.ts';

const CLIENTS = 10;
/** Requests before an end, and after it. */
const REQUESTS = 200;
const WAYS = Object.keys(ENDS) as readonly End[];
/** Which of three servers ends, and how. The first two are in this process, and cannot be killed. */
const KILLS: readonly (readonly [number, End])[] = [
  ...WAYS.map((way) => [2, way] as const),
  [0, 'FIN'],
  [1, 'FIN'],
  [0, 'FIN'],
  [1, 'FIN'],
  [0, 'RST'],
  [1, 'RST'],
  [0, 'a closed listener'],
  [2, 'SIGKILL'],
];

function loadOn(balancer: Balancer): SteadyLoad {
  return new SteadyLoad(balancer.publicPort, { clients: CLIENTS, pauseMs: 0 });
}

/** The balancer may have put another in its place by now. */
function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}

describe('no request is lost', { concurrency: 2 }, () => {
  for (const probeInterval of ['0', '100ms']) {
    for (const workers of [1, 2]) {
      it(`when fixed servers end, probed every ${probeInterval}, with ${workers} workers`, async (t) => {
        const starts = [LocalVictim.start(), LocalVictim.start(), ProcessVictim.start()];
        const servers: Victim[] = await Promise.all(starts);
        t.after(() => Promise.all(servers.map((server) => server.gone())));
        const upstreams = servers.map(({ port }) => `http://127.0.0.1:${port}`).join();
        const balancer = await Balancer.ready(
          `--driver static --upstreams ${upstreams} --probe-interval ${probeInterval} --workers ${workers} --response-timeout 3s`,
        );
        t.after(() => balancer.stop());
        const load = loadOn(balancer);
        t.after(() => load.end());
        for (const [index, way] of KILLS) {
          const server = servers[index]!;
          await load.more(REQUESTS);
          server.end(way);
          await load.more(REQUESTS);
          await server.gone();
          // while it is away: when it is back it may answer what was forgotten
          await load.everyone();
          assert.deepEqual(load.failures, [], `by ${way}`);
          servers[index] = await server.again();
          await balancer.untilHealthy(3);
        }
        await load.end();
        assert.deepEqual(load.failures, []);
      });
    }
  }

  for (const workers of [1, 2]) {
    it(`when processes end, with ${workers} workers`, async (t) => {
      const balancer = await Balancer.ready(
        `--driver process --probe-interval 100ms --workers ${workers} --response-timeout 3s`,
        ['--command', `exec ${process.execPath} -e "$PROGRAM"`],
        { env: { PROGRAM } },
      );
      t.after(() => balancer.stop());
      const load = loadOn(balancer);
      t.after(() => load.end());
      for (const way of WAYS) {
        for (const name of ['S1', 'S2']) {
          const { instance } = await balancer.replica(name);
          const pid = Number.parseInt(instance ?? '', 10);
          await load.more(REQUESTS);
          process.kill(pid, ENDS[way]);
          await load.everyone();
          killIfThere(pid);
          await eventually('another instance', async () => {
            const replica = await balancer.replica(name);
            return replica.state === 'healthy' && replica.instance !== instance;
          });
          await load.more(REQUESTS);
          assert.deepEqual(load.failures, [], `${name} by ${way}`);
        }
      }
      await load.end();
      assert.deepEqual(load.failures, []);
    });
  }
});
