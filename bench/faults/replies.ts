/** Replicas that answer badly or cannot be reached. */
import { execFileSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { Balancer } from './balancer.ts';
import type { FaultCase } from './fault-case.ts';
import { REPLICAS } from './stage.ts';
import { Traffic } from './traffic.ts';

/** A passing probe ends the first ejection, but not the second: by then that has begun, and what was in flight has ended. */
const OUT_MS = 9000;

const f8: FaultCase = {
  id: 'F8',
  title: 'one replica reads requests and never responds',
  async run(stage) {
    const balancer = await stage.balancer(['--response-timeout', '1s']);
    await stage.misbehave(balancer, 'S2', 'mute');
    const traffic = new Traffic(balancer.port);
    await delay(OUT_MS);
    await stage.run(5000);
    await traffic.end();
    const problems = traffic.lastLossMs > OUT_MS ? [`lost after ${Math.round(traffic.lastLossMs)} ms`] : [];
    const [last, longest] = [traffic.lastLossMs, traffic.longestMs].map(Math.round);
    return { traffic, note: `longest ${longest} ms; last POST lost after ${last} ms`, problems };
  },
};

const f9: FaultCase = {
  id: 'F9',
  title: 'one of three replicas takes 2 s longer',
  async run(stage) {
    const balancer = await stage.balancer();
    await stage.misbehave(balancer, 'S2', 'slow');
    const traffic = new Traffic(balancer.port);
    await stage.run(8000);
    await traffic.end();
    const { restarts } = await balancer.replica('S2');
    const problems = restarts > 0 ? ['the slow replica was replaced'] : [];
    return { traffic, note: `longest ${Math.round(traffic.longestMs)} ms`, problems };
  },
};

const f10: FaultCase = {
  id: 'F10',
  title: 'one replica closes its port and all connections, every 700 ms',
  async run(stage) {
    const balancer = await stage.balancer();
    await stage.misbehave(balancer, 'S2', 'flap');
    const traffic = new Traffic(balancer.port, { getsPerSecond: 100, postsPerSecond: 0 });
    await stage.run(10_000);
    await traffic.end();
    return { traffic, note: 'GETs alone' };
  },
};

const f11: FaultCase = {
  id: 'F11',
  title: 'one replica resets half of its requests',
  async run(stage) {
    const balancer = await stage.balancer();
    await stage.misbehave(balancer, 'S2', 'reset-half');
    const traffic = new Traffic(balancer.port);
    await stage.run(10_000);
    await traffic.end();
    return { traffic, note: 'a POST that was reset is not sent again' };
  },
};

const f12: FaultCase = {
  id: 'F12',
  title: 'one of three servers takes no connection any more (SYN unanswered)',
  async run(stage) {
    const servers = [await stage.server(), await stage.server(), await stage.server()];
    const list = servers.map(({ port }) => `http://127.0.0.1:${port}`).join(',');
    const balancer = await Balancer.start({
      options: [
        ...['--port', '0', '--admin-port', '0', '--workers', '2', '--driver', 'static', '--upstreams', list],
        ...['--connect-timeout', '1s', '--probe-path', '/', '--probe-interval', '500ms'],
      ],
    });
    stage.adopt(balancer);
    await balancer.untilWhole(REPLICAS);
    const traffic = new Traffic(balancer.port);
    await stage.run(1000);
    const rule = ['INPUT', '-i', 'lo', '-p', 'tcp', '--dport', String(servers[1]!.port), '-j', 'DROP'];
    execFileSync('iptables', ['-w', '-I', ...rule]);
    const heal = (): void => void execFileSync('iptables', ['-w', '-D', ...rule]);
    let isHealed = false;
    stage.after(() => isHealed || heal());
    await stage.run(8000);
    heal();
    isHealed = true;
    await balancer.untilWhole(REPLICAS);
    await delay(500);
    await traffic.end();
    return { traffic, note: `longest ${Math.round(traffic.longestMs)} ms` };
  },
};

export const REPLIES: readonly FaultCase[] = [f8, f9, f10, f11, f12];
