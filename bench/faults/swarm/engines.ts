/** Tasks, nodes and managers of a Swarm that fail, under traffic through balancers on two nodes. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ReplicaView } from '../../../lib/api/types.ts';
import { dockerOn, NODES } from '../../../test/helpers/swarm/swarm.ts';
import { type Balancer, TOKEN } from '../balancer.ts';
import type { FaultCase } from '../fault-case.ts';
import { REPLICAS, type Stage } from '../stage.ts';
import { type Address, ask, Traffic } from '../traffic.ts';
import {
  BALANCER_NODES,
  killEngine,
  killTask,
  leader,
  nodeOf,
  openSwarm,
  STEADY,
  type SwarmStage,
  setLink,
  until,
  untilReplaced,
} from './nodes.ts';

const TASK_WHOLE_MS = 3000;
const NODE_WHOLE_MS = 6000;
/** `--connect-timeout`: so long nobody can know that a node is cut off. */
const CONNECT_LIMIT_MS = 2000;
/** A lost request is noticed by its client this long after it was lost, on a busy machine. */
const NOTICE_MS = 500;

const late = (what: string, ms: number, limitMs: number): readonly string[] =>
  ms > limitMs ? [`${what} after ${ms} ms, not ${limitMs}`] : [];

const w1: FaultCase = {
  id: 'W1',
  title: 'a task killed',
  needsSwarm: true,
  async run(stage) {
    const { balancers, addresses } = await openSwarm(stage);
    const traffic = new Traffic(addresses, STEADY);
    await stage.run(2000);
    const replica = await balancers[0].replica('S2');
    await killTask(replica);
    const wholeMs = await untilReplaced(balancers, replica);
    await stage.run(2000);
    await traffic.end();
    return { traffic, note: `whole after ${wholeMs} ms`, problems: late('whole', wholeMs, TASK_WHOLE_MS) };
  },
};

/** The replica that is alone on the node without a balancer; where Swarm has put none there, or several, they are moved. */
async function replicaAlone({ balancers }: SwarmStage): Promise<ReplicaView> {
  const node = NODES.find((number) => !(BALANCER_NODES as readonly number[]).includes(number))!;
  const id = await idOf(node);
  const replicas = await balancers[0].replicas();
  const [alone = replicas[0]!] = replicas.filter((replica) => nodeOf(replica) === node);
  const isAlone = replicas.every((replica) => (nodeOf(replica) === node) === (replica === alone));
  if (isAlone) return alone;
  for (const replica of replicas) {
    const where = `node.id${replica === alone ? '==' : '!='}${id}`;
    await dockerOn(1, 'service', 'update', '--detach', '--constraint-add', where, replica.name);
  }
  await until('replica alone on its node', 60_000, async () => {
    const views = await Promise.all(balancers.map((balancer) => balancer.replicas()));
    return views.flat().every((replica) => {
      const isThere = nodeOf(replica) === node;
      return replica.state === 'healthy' && isThere === (replica.name === alone.name);
    });
  });
  return balancers[0].replica(alone.name);
}

/** Another manager than the node's leads. */
async function leadElsewhere(node: number): Promise<void> {
  if ((await leader()) !== node) return;
  await dockerOn(1, 'node', 'demote', await idOf(node));
  await until('manager that leads', 30_000, () =>
    leader().then(
      (led) => led !== node,
      () => false,
    ),
  );
  await dockerOn(1, 'node', 'promote', await idOf(node));
}

async function idOf(node: number): Promise<string> {
  return dockerOn(node, 'info', '--format', '{{.Swarm.NodeID}}');
}

/** Cuts the node of a replica off; traffic goes on. */
async function cutOff(stage: Stage) {
  const swarm = await openSwarm(stage);
  const replica = await replicaAlone(swarm);
  const node = nodeOf(replica);
  await leadElsewhere(node);
  const traffic = new Traffic(swarm.addresses, STEADY);
  await stage.run(2000);
  stage.after(() => setLink(node, 'up'));
  setLink(node, 'down');
  const cutMs = traffic.nowMs;
  const wholeMs = await untilReplaced(swarm.balancers, replica);
  return { swarm, replica, node, traffic, cutMs, wholeMs };
}

const w2: FaultCase = {
  id: 'W2',
  title: 'a node with one of three replicas cut off',
  needsSwarm: true,
  mayLose: { gets: 100, why: 'until the connect limit has passed nobody knows that the node is cut off' },
  async run(stage) {
    const { traffic, cutMs, wholeMs } = await cutOff(stage);
    await stage.run(5000);
    await traffic.end();
    const lastLossMs = Math.max(0, Math.round(traffic.lastLossMs - cutMs));
    const problems = [
      ...late('whole', wholeMs, NODE_WHOLE_MS),
      ...late('a request was lost', lastLossMs, CONNECT_LIMIT_MS + NOTICE_MS),
    ];
    const lost = lastLossMs === 0 ? 'none lost' : `last lost after ${lastLossMs} ms`;
    return {
      traffic,
      note: `whole after ${wholeMs} ms, ${lost}, longest ${Math.round(traffic.longestMs)} ms`,
      problems,
    };
  },
};

/** How long the container at the address responds, from outside. */
async function respondsForMs(at: Address, isOver: () => boolean): Promise<number> {
  const sinceMs = performance.now();
  let lastMs = 0;
  while (!isOver()) {
    const asked = ask(at.port, 'GET', '/heartbeat', { host: at.host });
    const responded = await Promise.race([
      asked.then(
        () => true,
        () => false,
      ),
      delay(500, false),
    ]);
    if (responded) lastMs = performance.now() - sinceMs;
    await delay(50);
  }
  return Math.round(lastMs);
}

const w3: FaultCase = {
  id: 'W3',
  title: 'the node comes back, where the old container responds still',
  needsSwarm: true,
  mayLose: { gets: 100, why: 'as W2' },
  async run(stage) {
    const { traffic, replica, node } = await cutOff(stage);
    const [host = '', port = ''] = replica.endpoint!.split(':');
    await stage.run(2000);
    const bodiesBefore = new Map([...traffic.bodies].map(([body, { count }]) => [body, count]));
    const lostBefore = traffic.gets.lost;
    setLink(node, 'up');
    let isOver = false;
    const responding = respondsForMs({ host, port: Number(port) }, () => isOver);
    await delay(10_000);
    isOver = true;
    const stoodMs = await responding;
    await traffic.end();
    // four instances have responded in all, and three of them since
    const since = [...traffic.bodies].filter(([body, { count }]) => count > (bodiesBefore.get(body) ?? 0));
    const problems = [
      ...(since.length > REPLICAS ? [`${since.length} instances got requests after it came back`] : []),
      ...(traffic.gets.lost > lostBefore
        ? [`${traffic.gets.lost - lostBefore} lost after it came back`]
        : []),
    ];
    return { traffic, note: `it responds for ${stoodMs} ms, and gets no request`, problems };
  },
};

const w4: FaultCase = {
  id: 'W4',
  title: 'the leader of three managers killed',
  needsSwarm: true,
  async run(stage) {
    const { balancers, addresses } = await openSwarm(stage);
    const traffic = new Traffic(addresses, STEADY);
    await stage.run(1000);
    const led = await leader();
    const restart = killEngine(led);
    stage.after(restart);
    const sinceMs = performance.now();
    const refusals: string[] = [];
    let changedMs = 0;
    while (changedMs === 0 && performance.now() - sinceMs < 60_000) {
      const told = await addOne(balancers[0]);
      if (told.status === 200) changedMs = Math.round(performance.now() - sinceMs);
      else refusals.push(`${told.status}${told.retryAfter ? '' : ' without Retry-After'}`);
      await delay(200);
    }
    await Promise.all(balancers.map((balancer) => balancer.untilWhole(REPLICAS + 1, 60_000)));
    await traffic.end();
    const odd = refusals.filter((refusal) => refusal !== '503');
    const problems = [
      ...(odd.length > 0 ? [`/add said ${odd.join(', ')}`] : []),
      ...(changedMs === 0 ? ['no /add succeeded within a minute'] : []),
    ];
    return { traffic, note: `${refusals.length} × 503, /add works after ${changedMs} ms`, problems };
  },
};

async function addOne({ host, port }: Balancer) {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const response = await fetch(`http://${host}:${port}/add`, { method: 'POST', body: '{"n":1}', headers });
  await response.arrayBuffer();
  return { status: response.status, retryAfter: response.headers.get('retry-after') };
}

export const ENGINES: readonly FaultCase[] = [w1, w2, w3, w4];
