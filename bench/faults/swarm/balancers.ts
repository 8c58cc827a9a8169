/** Balancers of one fleet that fail, or are told to change it at once. */
import { containerOf, dockerOn } from '../../../test/helpers/swarm/swarm.ts';
import type { Balancer } from '../balancer.ts';
import type { FaultCase } from '../fault-case.ts';
import { REPLICAS, type Stage } from '../stage.ts';
import { type Loss, Traffic } from '../traffic.ts';
import { BALANCER_NODES, namesOf, openSwarm, STEADY, servicesOf, until, untilEqual } from './nodes.ts';

const EQUAL_MS = 1500;

function change(balancer: Balancer, isAdd: boolean): Promise<string> {
  return balancer.askPublic(isAdd ? 'POST' : 'DELETE', isAdd ? '/add' : '/rm', '{"n":1}');
}

/** Changes the fleet at one balancer; how long the table of another then differs, in ms. */
async function lagOf(balancers: readonly Balancer[], changed: Balancer, isAdd: boolean): Promise<number> {
  await change(changed, isAdd);
  return untilEqual(balancers);
}

const w5: FaultCase = {
  id: 'W5',
  title: 'a balancer killed (-9), and back',
  needsSwarm: true,
  mayLose: {
    gets: Number.POSITIVE_INFINITY,
    why: 'what was in flight on the balancer that was killed may be lost, which the case counts, and nothing else',
  },
  async run(stage) {
    const { balancers, addresses, start } = await openSwarm(stage);
    const [survivor, victim] = balancers;
    const traffic = new Traffic(addresses, STEADY);
    await stage.run(2000);
    const sent = traffic.sentTo(addresses[1]);
    const before = traffic.inFlightAt(addresses[1]);
    const killedMs = traffic.nowMs;
    await victim.kill();
    // what its sockets took until the kernel had closed them was in flight too
    const goneMs = traffic.nowMs;
    const inFlight = before + traffic.sentTo(addresses[1]) - sent;
    await stage.run(3000);
    await traffic.end();
    const second = await start(BALANCER_NODES[1]);
    await second.untilWhole(REPLICAS);
    const both = [survivor, second];
    const lags = [await untilEqual(both)];
    for (const [index, isAdd] of [true, false, true, false].entries())
      lags.push(await lagOf(both, both[index % 2]!, isAdd));
    const wasInFlight = ({ address, sentMs, lostMs }: Loss): boolean =>
      address === addresses[1] && sentMs <= goneMs && lostMs >= killedMs;
    const others = traffic.losses.filter((loss) => !wasInFlight(loss));
    const problems = [
      ...(others.length > 0 ? [`${others.length} lost that were not in flight: ${others[0]!.reason}`] : []),
      ...(traffic.gets.lost > inFlight ? [`${traffic.gets.lost} lost, ${inFlight} in flight`] : []),
      ...(Math.max(...lags) > EQUAL_MS ? [`tables differ for ${Math.max(...lags)} ms`] : []),
    ];
    const note = `${traffic.gets.lost} lost of ${inFlight} in flight there, ${others.length} else; tables differ for ${Math.max(...lags)} ms at most`;
    return { traffic, note, problems };
  },
};

const CHANGES = 100;
/** Replicas to begin with: removals are quicker than additions. */
const MANY = 10;
/** So many at the same time. */
const AT_ONCE = 10;

/** What each of a row of changes is: about as many replicas come as go, and one change in five is a kill. */
function kindOf(index: number): 'add' | 'rm' | 'kill' {
  if (index % 5 === 4) return 'kill';
  return index % 5 < 2 ? 'add' : 'rm';
}

/** Kills a task of the pool, whichever is there. */
async function killAny(balancer: Balancer, index: number): Promise<void> {
  const running = (await balancer.replicas()).filter(({ state }) => state === 'healthy');
  const victim = running[index % Math.max(1, running.length)];
  if (!victim?.instance) return;
  const { node, id } = await containerOf(victim.instance);
  await dockerOn(node, 'kill', id);
}

interface Told {
  added: number;
  removed: number;
  refused: Map<string, number>;
}

async function changeMany(balancers: readonly Balancer[], count: number): Promise<Told> {
  const told: Told = { added: 0, removed: 0, refused: new Map() };
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) {
      const balancer = balancers[index % balancers.length]!;
      const kind = kindOf(index);
      try {
        if (kind === 'kill') await killAny(balancer, index).catch(() => {});
        else {
          const body = JSON.parse(await change(balancer, kind === 'add')) as {
            status: string;
            message: string;
          };
          if (body.status !== 'successful') throw new Error(body.message);
          if (kind === 'add') told.added++;
          else told.removed++;
        }
      } catch (error) {
        const reason = `${kind}: ${(error as Error).message}`;
        told.refused.set(reason, (told.refused.get(reason) ?? 0) + 1);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return told;
}

const w6: FaultCase = {
  id: 'W6',
  title: `${CHANGES} /add, /rm and kills at both balancers at once`,
  needsSwarm: true,
  mayLose: {
    gets: 20,
    why: 'a request whose replicas are killed one after the other is sent to three of them at most',
  },
  async run(stage: Stage) {
    const { balancers, pool, addresses } = await openSwarm(stage, ['--drain-timeout', '5s'], MANY);
    const traffic = new Traffic(addresses, STEADY);
    const { added, removed, refused } = await changeMany(balancers, Math.round(CHANGES * stage.scale));
    const wanted = MANY + added - removed;
    const look = async () => {
      const lists = [...(await Promise.all(balancers.map(namesOf))), await servicesOf(pool)];
      return lists.map((names) => names.join(' '));
    };
    let seen: readonly string[] = [];
    const settledMs = await until('agreement', 60_000, async () => {
      seen = await look();
      return new Set(seen).size === 1 && seen[0]!.split(' ').length === wanted;
    }).catch(() => undefined);
    const problems: string[] = [];
    if (settledMs === undefined) problems.push(`${wanted} asked for; ${seen.join(' | ')}`);
    else {
      await Promise.all(balancers.map((balancer) => balancer.untilWhole(wanted, 60_000)));
      await untilEqual(balancers);
    }
    await traffic.end();
    const refusals = [...refused].map(([reason, count]) => `${count} × ${reason}`).join('; ');
    const note = `${MANY} + ${added} − ${removed} = ${wanted}, agreed after ${settledMs} ms${refusals && `; refused: ${refusals}`}`;
    return { traffic, note, problems };
  },
};

export const BALANCERS: readonly FaultCase[] = [w5, w6];
