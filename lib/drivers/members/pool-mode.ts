/**
 * Whether a pool on an engine belongs to one balancer or is shared: a balancer of either kind keeps those of the other
 * out, by the records that each has on the pool.
 * Invariant: a balancer counts as alive until it is known to have ended or its record has not changed for ten seconds by
 * the observer's clock.
 */
import { type Clock, sleep } from '../../platform/clock.ts';
import { BalancerError } from '../../platform/errors.ts';
import { PoolClaim, type PoolClaimOptions } from '../docker/claim.ts';
import type { DockerEngine } from '../docker/engine.ts';
import { poolLabel } from '../docker/mapper.ts';
import { describeOwner, isGone, type Owner, parseOwner } from '../docker/owner.ts';
import { volumeStore } from './volume-store.ts';

type Engine = Pick<DockerEngine, 'volumesWith' | 'createVolume' | 'removeVolume' | 'container'>;

/** What a balancer has written on the pool: a volume of its own, which a renewal replaces. */
interface PoolRecord {
  readonly volume: string;
  readonly owner: Owner;
}

/** Claims and memberships are renewed more often than that. */
const EXPIRY_MS = 10_000;
const LOOK_MS = 500;

/** Records that were not renewed while they were looked at: one look at them is enough. */
type Silent = Set<string>;

/** Throws `pool-taken` where one balancer owns the pool, and lives. */
export async function refuseOwner(
  engine: Engine,
  pool: string,
  clock: Clock,
  silent: Silent = new Set(),
): Promise<void> {
  const owner = await findAlive({ engine, clock, silent }, async () => {
    const volumes = await engine.volumesWith(poolLabel(pool));
    return volumes.flatMap(({ Name: volume, Labels: labels }): readonly PoolRecord[] => {
      const found = parseOwner(labels?.['ringlb.claim']);
      return found === undefined ? [] : [{ volume, owner: found }];
    });
  });
  if (owner === undefined) return;
  const reason = `The pool ${pool} belongs to one balancer (${describeOwner(owner)}): start that one with --pool-members many too`;
  throw new BalancerError('pool-taken', reason);
}

/** The claim of one owner, which the balancers of a shared pool keep out. */
export class OwnedPool extends PoolClaim {
  readonly #options: PoolClaimOptions & { readonly engine: Engine };
  readonly #silent: Silent = new Set();

  constructor(options: PoolClaimOptions & { readonly engine: Engine }) {
    super(options);
    this.#options = options;
  }

  override async take(): Promise<void> {
    await this.#refuseMembers();
    await super.take();
    try {
      // one may have joined meanwhile, and looks for owners once it has
      await this.#refuseMembers();
    } catch (error) {
      await this.release();
      throw error;
    }
  }

  async #refuseMembers(): Promise<void> {
    const { engine, pool, clock } = this.#options;
    const members = volumeStore(engine, pool);
    const member = await findAlive({ engine, clock, silent: this.#silent }, async () =>
      (await members.list()).map(({ key: volume, record: { owner } }) => ({ volume, owner })),
    );
    if (member === undefined) return;
    const reason = `The pool ${pool} is shared by several balancers (${describeOwner(member)}): start this one with --pool-members many too, or give it a pool of its own with --pool NAME`;
    throw new BalancerError('pool-taken', reason);
  }
}

/** One of those with a record who renews it; undefined where nobody does. */
async function findAlive(
  { engine, clock, silent }: { readonly engine: Engine; readonly clock: Clock; readonly silent: Silent },
  read: () => Promise<readonly PoolRecord[]>,
): Promise<Owner | undefined> {
  const living = async (): Promise<readonly PoolRecord[]> => {
    const all = (await read()).filter(({ volume }) => !silent.has(volume));
    const gone = await Promise.all(
      all.map(async ({ owner }) =>
        isGone(owner, owner.container && (await engine.container(owner.container.id))),
      ),
    );
    return all.filter((_, index) => !gone[index]);
  };
  // the clock's timers are unreferenced, and no server keeps the process alive yet
  const awake = setInterval(() => {}, EXPIRY_MS);
  try {
    const untilMs = clock.nowMs() + EXPIRY_MS;
    const before = await living();
    for (let now = before; now.length > 0 && clock.nowMs() < untilMs; now = await living()) {
      const renewed = now.find(({ volume }) => before.every((one) => one.volume !== volume));
      if (renewed !== undefined) return renewed.owner;
      await sleep(clock, LOOK_MS);
    }
    for (const { volume } of before) silent.add(volume);
    return undefined;
  } finally {
    clearInterval(awake);
  }
}
