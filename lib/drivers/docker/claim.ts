/**
 * The claim of one balancer on a pool: a volume whose labels say who it is, numbered, and made anew under the next
 * number while its owner lives. The engine gives a name to one volume alone, and whoever asks for it later
 * finds the labels of the first, so making the next number is at once the renewal and what two balancers contend for.
 * Must not hold: what is done with the pool.
 * Invariants: the claim with the highest number counts; only its owner removes any, its own and the lower ones. A claim
 * is void once its owner is known to have ended, or has renewed nothing for `VOID_MS` by the clock of who looks.
 */
import { type Clock, sleep, type Timer } from '../../platform/clock.ts';
import { BalancerError, isBalancerError, messageOf } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import type { DockerEngine } from './engine.ts';
import { poolLabel, poolLabels } from './mapper.ts';
import { ownContainer } from './network.ts';
import { isGone, type Owner, ownerIn, thisOwner, wordsFor } from './owner.ts';

export interface PoolClaimOptions {
  readonly engine: Pick<DockerEngine, 'volumesWith' | 'createVolume' | 'removeVolume' | 'container'>;
  readonly pool: string;
  /** Where the admin port listens; '' where that is left to the system. */
  readonly admin: string;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Claim {
  readonly volume: string;
  readonly number: number;
  /** Undefined where the labels cannot be read. */
  readonly owner: Owner | undefined;
}

const CLAIM_LABEL = 'ringlb.claim';
const RENEW_MS = 3_000;
const VOID_MS = 10_000;
/** So long after its last renewal an owner acts on the pool without asking again whether it still has it. */
const SURE_MS = VOID_MS - RENEW_MS;
/** Between two looks at the claim of another. */
const LOOK_MS = 1_000;

export class PoolClaim {
  readonly #options: PoolClaimOptions;
  readonly #lost = Promise.withResolvers<BalancerError>();
  #owner: Owner | undefined;
  /** The number of our claim; 0 while we have none. */
  #number = 0;
  /** When the renewal that came through last was asked for. */
  #renewedMs = 0;
  #renewal: Promise<void> | undefined;
  #timer: Timer | undefined;
  #isFailing = false;
  #loss: BalancerError | undefined;

  constructor(options: PoolClaimOptions) {
    this.#options = options;
  }

  /** True from `take` until the claim is given up or lost. */
  get isHeld(): boolean {
    return this.#number > 0;
  }

  /** Resolves when another balancer has taken the pool over, which it can where we renewed nothing for long. */
  get lost(): Promise<BalancerError> {
    return this.#lost.promise;
  }

  /**
   * Resolves once the pool is ours: at once where nobody has it or its owner is known to have ended, else when that one
   * has not renewed its claim for 10 s. Throws `pool-taken` when it does, `engine-unreachable`.
   */
  async take(): Promise<void> {
    const { engine, admin, clock } = this.#options;
    this.#owner = thisOwner(admin, clock.wallMs(), await ownContainer(engine));
    // the clock's timers let the process end, and before the first server nothing else holds it
    const awake = setInterval(() => {}, VOID_MS);
    try {
      await this.#contend();
    } finally {
      clearInterval(awake);
    }
  }

  async #contend(): Promise<void> {
    const { clock, log } = this.#options;
    let seen: Claim | undefined;
    let seenMs = 0;
    let quietMs = 0;
    for (;;) {
      const [claim] = await this.#claims();
      const nowMs = clock.nowMs();
      // an engine that answers late keeps the owner waiting as well
      const sinceMs = Math.min(nowMs - seenMs, 2 * LOOK_MS);
      quietMs = claim !== undefined && claim.number === seen?.number ? quietMs + sinceMs : 0;
      if (claim === undefined || quietMs >= VOID_MS || (await this.#isVoid(claim))) {
        if (await this.#make((claim?.number ?? 0) + 1)) return this.#renewLater();
        continue;
      }
      if (seen !== undefined && claim.number !== seen.number) throw this.#taken(claim);
      if (seen === undefined)
        log.info({ owner: whose(claim) }, 'the pool has an owner; looking whether it lives');
      [seen, seenMs] = [claim, nowMs];
      await sleep(clock, LOOK_MS);
    }
  }

  /** Resolves where the pool is ours, or nobody's claim was asked for. Throws `pool-taken`, `engine-unreachable`. */
  async assure(): Promise<void> {
    if (this.#loss !== undefined) throw this.#loss;
    if (this.#number > 0 && this.#options.clock.nowMs() - this.#renewedMs > SURE_MS) await this.#renew();
  }

  /** Gives the claim up; safe to call again. A claim that the engine does not let go is void with this process. */
  async release(): Promise<void> {
    this.#timer?.cancel();
    await this.#renewal?.catch(() => {});
    this.#timer?.cancel();
    if (this.#number === 0) return;
    this.#number = 0;
    try {
      for (const claim of await this.#claims()) if (this.#isOurs(claim)) await this.#remove(claim);
    } catch (error) {
      this.#options.log.warn({ cause: messageOf(error) }, 'the claim on the pool was not removed');
    }
  }

  /** Every claim on the pool, the one that counts first. */
  async #claims(): Promise<readonly Claim[]> {
    const { engine, pool } = this.#options;
    const volumes = await engine.volumesWith(poolLabel(pool));
    return volumes
      .map(({ Name: volume, Labels: labels }) => ({
        volume,
        number: numberIn(volume, pool),
        owner: ownerIn(labels?.[CLAIM_LABEL]),
      }))
      .filter(({ number }) => number > 0)
      .sort((a, b) => b.number - a.number);
  }

  async #isVoid({ owner }: Claim): Promise<boolean> {
    if (owner === undefined) return false;
    const { container } = owner;
    return isGone(owner, container && (await this.#options.engine.container(container.id)));
  }

  /** Makes the claim of this number, and removes those before it; false where the pool is another's. */
  async #make(number: number): Promise<boolean> {
    const { engine, pool, clock } = this.#options;
    const askedMs = clock.nowMs();
    const labels = { ...poolLabels(pool), [CLAIM_LABEL]: JSON.stringify(this.#owner) };
    await engine.createVolume(volumeOf(pool, number), labels);
    const [first, ...others] = await this.#claims();
    // there is none at all where somebody has removed what the engine had no use for
    const isOurs = first === undefined || this.#isOurs(first);
    if (isOurs) {
      this.#number = number;
      this.#renewedMs = askedMs;
    }
    // the next renewal takes away what this one could not
    const past = isOurs ? others : others.filter((claim) => this.#isOurs(claim));
    await Promise.allSettled(past.map((claim) => this.#remove(claim)));
    return isOurs;
  }

  #remove({ volume }: Claim): Promise<void> {
    return this.#options.engine.removeVolume(volume);
  }

  #isOurs({ owner }: Claim): boolean {
    return owner !== undefined && owner.token === this.#owner?.token;
  }

  #renewLater(): void {
    this.#timer = this.#options.clock.after(RENEW_MS, () => {
      // said where it happens, and tried again
      this.#renew().catch(() => {});
    });
  }

  /** One renewal at a time. */
  #renew(): Promise<void> {
    this.#timer?.cancel();
    this.#renewal ??= this.#renewOnce().finally(() => {
      this.#renewal = undefined;
      if (this.#number > 0) this.#renewLater();
    });
    return this.#renewal;
  }

  async #renewOnce(): Promise<void> {
    const { log } = this.#options;
    try {
      const isOurs = await this.#make(this.#number + 1);
      this.#isFailing = false;
      if (!isOurs) throw this.#lose((await this.#claims().catch(() => []))[0]);
    } catch (error) {
      if (!isBalancerError(error, 'pool-taken') && !this.#isFailing) {
        this.#isFailing = true;
        log.warn({ cause: messageOf(error) }, 'the claim on the pool was not renewed; trying again');
      }
      throw error;
    }
  }

  #lose(claim: Claim | undefined): BalancerError {
    this.#number = 0;
    this.#loss = this.#taken(claim);
    this.#lost.resolve(this.#loss);
    return this.#loss;
  }

  #taken(claim: Claim | undefined): BalancerError {
    const { pool } = this.#options;
    const reason = `The pool ${pool} belongs to another balancer (${whose(claim)}): stop that one, or give this one a pool of its own with --pool NAME`;
    return new BalancerError('pool-taken', reason);
  }
}

function volumeOf(pool: string, number: number): string {
  return `ringlb-claim-${pool}-${number}`;
}

/** The number of the claim; 0 for a volume that is none. */
function numberIn(volume: string, pool: string): number {
  const number = Number(volume.split('-').at(-1));
  return Number.isSafeInteger(number) && volumeOf(pool, number) === volume ? number : 0;
}

function whose(claim: Claim | undefined): string {
  if (claim === undefined) return 'which has ended since';
  return claim.owner ? wordsFor(claim.owner) : `its claim is the volume ${claim.volume}`;
}
