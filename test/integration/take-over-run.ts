/**
 * Take-overs in a row under load, as a program of its own: it runs in a network namespace, where the kernel can be told to
 * give connections to the other listener. Prints what came of it as JSON. Must not hold: assertions.
 */
import { findFreePort } from '../../lib/drivers/process/free-port.ts';
import { Balancer, type End } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';
import { SteadyLoad } from '../helpers/steady-load.ts';

/** What came of the take-overs. */
export interface TakeOvers {
  readonly answered: number;
  readonly failures: readonly string[];
  /** How each former balancer ended. */
  readonly ends: readonly End[];
}

const [count = '3', options = '--replicas 2'] = process.argv.slice(2);
const port = (await findFreePort(new Set()))!;
const adminPort = (await findFreePort(new Set([port])))!;
const ports = `--port ${port} --admin-port ${adminPort} ${options}`;

async function start(more: string): Promise<Balancer> {
  const balancer = Balancer.spawn(`${ports} ${more}`);
  balancer.publicPort = port;
  balancer.adminPort = adminPort;
  const isServing = (): boolean => balancer.stderr.includes(more === '' ? 'serving on' : 'took over');
  await eventually('the balancer', () => isServing() || balancer.child.exitCode !== null);
  if (!isServing()) throw new Error(balancer.stderr);
  return balancer;
}

let running = await start('');
await running.untilHealthy();
const kept = new SteadyLoad(port, { clients: 10, pauseMs: 5 });
const opened = new SteadyLoad(port, { clients: 6, pauseMs: 5, keepAlive: false });
const ends: End[] = [];
for (let turn = 0; turn < Number(count); turn++) {
  await Promise.all([kept.more(20), opened.more(20)]);
  const next = await start('--take-over');
  ends.push(await running.exited);
  running = next;
  await Promise.all([kept.everyone(), opened.everyone()]);
}
await Promise.all([kept.end(), opened.end()]);
ends.push(await running.stop());
const result: TakeOvers = {
  answered: kept.answered + opened.answered,
  failures: [...kept.failures, ...opened.failures],
  ends,
};
process.stdout.write(JSON.stringify(result));
