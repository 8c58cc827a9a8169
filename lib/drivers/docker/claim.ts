/**
 * A balancer's claim on a pool: a numbered volume whose labels name the owner, recreated under the next number while
 * its owner lives.
 * Invariants: the claim with the highest number counts; only its owner removes claims, its own and lower ones; a
 * claim expires once its owner is known to have ended, or was not renewed for `EXPIRY_MS` by the observer's clock.
 */
import { type Clock, sleep, type Timer } from '../../platform/clock.ts';
import { BalancerError, isBalancerError, messageOf } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import type { DockerEngine } from './engine.ts';
import { poolLabel, poolLabels } from './mapper.ts';
import { ownContainer } from './network.ts';
import { describeOwner, isGone, type Owner, parseOwner, thisOwner } from './owner.ts';

export interface PoolClaimOptions {
  readonly engine: Pick<DockerEngine, 'volumesWith' | 'createVolume' | 'removeVolume' | 'container'>;
  readonly pool: string;
  /** Where the admin port listens; '' where the system picks the port. */
  readonly admin: string;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Claim {
  readonly volume: string;
  readonly number: number;
  /** Undefined where the label cannot be parsed. */
  readonly owner: Owner | undefined;
}

const CLAIM_LABEL = 'ringlb.claim';
const RENEW_MS = 3_000;
const EXPIRY_MS = 10_000;
/** For how long after a renewal the owner may act on the pool without renewing first. */
const TRUSTED_MS = EXPIRY_MS - RENEW_MS;
/** From one look at another balancer's claim to the next. */
const POLL_MS = 1_000;

/** For how long one that was asked to give the pool up may go on renewing: until its engine has done what it was told. */
const HAND_OVER_MS = 60_000;

/** What gives a balancer the right to act on a pool. */
export type PoolHold = Pick<
  PoolClaim,
  'isHeld' | 'isOthers' | 'wasTakenOver' | 'lost' | 'take' | 'leaveToOther' | 'ensureHeld' | 'release'
>;

export class PoolClaim {
  readonly #options: PoolClaimOptions;
  readonly #lost = Promise.withResolvers<BalancerError>();
  #owner: Owner | undefined;
  /** The number of our claim; 0 while we hold none. */
  #number = 0;
  /** When the last successful renewal was requested. */
  #renewedMs = 0;
  #renewal: Promise<void> | undefined;
  #timer: Timer | undefined;
  #isFailing = false;
  #loss: BalancerError | undefined;
  #isOthers = false;
  #wasTakenOver = false;

  constructor(options: PoolClaimOptions) {
    this.#options = options;
  }

  /** True from `take` until the claim is released or lost. */
  get isHeld(): boolean {
    return this.#number > 0;
  }

  /** True while another balancer is left its claim, which this one is to take later. */
  get isOthers(): boolean {
    return this.#isOthers;
  }

  /** True where the pool was another balancer's when this one began. */
  get wasTakenOver(): boolean {
    return this.#wasTakenOver;
  }

  /** Leaves another balancer its claim until `take`; whoever needs the pool until then is told to wait. */
  leaveToOther(): void {
    this.#isOthers = true;
    this.#wasTakenOver = true;
  }

  /** Resolves when another balancer has taken the pool over, as it may once our claim has expired. */
  get lost(): Promise<BalancerError> {
    return this.#lost.promise;
  }

  /**
   * Resolves once the pool is ours: immediately where nobody owns it or the owner is known to have ended, else once
   * the owner has not renewed its claim for 10 s. Throws `pool-taken` if it does renew, `engine-unreachable`.
   */
  async take(): Promise<void> {
    const { engine, admin, clock } = this.#options;
    this.#owner = thisOwner(admin, clock.wallMs(), await ownContainer(engine));
    // the clock's timers are unreferenced, and no server keeps the process alive yet
    const awake = setInterval(() => {}, EXPIRY_MS);
    try {
      await this.#contend();
      this.#isOthers = false;
    } finally {
      clearInterval(awake);
    }
  }

  async #contend(): Promise<void> {
    const { clock, log } = this.#options;
    let seen: Claim | undefined;
    let seenMs = 0;
    let quietMs = 0;
    const untilMs = clock.nowMs() + (this.#isOthers ? HAND_OVER_MS : 0);
    for (;;) {
      const [claim] = await this.#claims();
      const nowMs = clock.nowMs();
      // a slow engine delays the owner's renewals as well
      const sinceMs = Math.min(nowMs - seenMs, 2 * POLL_MS);
      quietMs = claim !== undefined && claim.number === seen?.number ? quietMs + sinceMs : 0;
      if (claim === undefined || quietMs >= EXPIRY_MS || (await this.#isExpired(claim))) {
        if (await this.#make((claim?.number ?? 0) + 1)) return this.#scheduleRenewal();
        continue;
      }
      const isRenewed = seen !== undefined && claim.number !== seen.number;
      if (isRenewed && nowMs >= untilMs) throw this.#poolTaken(claim);
      if (seen === undefined)
        log.info({ owner: describeClaim(claim) }, 'the pool has an owner, checking whether it is alive');
      [seen, seenMs] = [claim, nowMs];
      await sleep(clock, POLL_MS);
    }
  }

  /** Makes sure that the pool is still ours, if it was ever claimed. Throws `pool-taken`, `engine-unreachable`. */
  async ensureHeld(): Promise<void> {
    if (this.#isOthers) {
      const reason = 'The pool still belongs to the balancer that is being taken over: try again in a moment';
      throw new BalancerError('engine-unreachable', reason);
    }
    if (this.#loss !== undefined) throw this.#loss;
    if (this.#number > 0 && this.#options.clock.nowMs() - this.#renewedMs > TRUSTED_MS) await this.#renew();
  }

  /** Releases the claim; safe to call again. A claim that cannot be removed expires with this process. */
  async release(): Promise<void> {
    this.#timer?.cancel();
    await this.#renewal?.catch(() => {});
    this.#timer?.cancel();
    if (this.#number === 0) return;
    this.#number = 0;
    try {
      for (const claim of await this.#claims()) if (this.#isOurs(claim)) await this.#remove(claim);
    } catch (error) {
      this.#options.log.warn({ cause: messageOf(error) }, 'failed to remove the claim on the pool');
    }
  }

  /** Every claim on the pool, the effective one first. */
  async #claims(): Promise<readonly Claim[]> {
    const { engine, pool } = this.#options;
    const volumes = await engine.volumesWith(poolLabel(pool));
    return volumes
      .map(({ Name: volume, Labels: labels }) => ({
        volume,
        number: numberIn(volume, pool),
        owner: parseOwner(labels?.[CLAIM_LABEL]),
      }))
      .filter(({ number }) => number > 0)
      .sort((a, b) => b.number - a.number);
  }

  async #isExpired({ owner }: Claim): Promise<boolean> {
    if (owner === undefined) return false;
    const { container } = owner;
    return isGone(owner, container && (await this.#options.engine.container(container.id)));
  }

  /**
   * Creates the claim with this number and removes older ones; false where the pool belongs to another balancer. The
   * engine creates a volume name once, and a later request for it returns the first one's labels, so creating the
   * next number both renews the claim and settles a race between two balancers.
   */
  async #make(number: number): Promise<boolean> {
    const { engine, pool, clock } = this.#options;
    const askedMs = clock.nowMs();
    const labels = { ...poolLabels(pool), [CLAIM_LABEL]: JSON.stringify(this.#owner) };
    await engine.createVolume(volumeOf(pool, number), labels);
    const [first, ...others] = await this.#claims();
    // there is none at all where somebody has just pruned unused volumes
    const isOurs = first === undefined || this.#isOurs(first);
    if (isOurs) {
      this.#number = number;
      this.#renewedMs = askedMs;
    }
    // the next renewal removes what this one could not
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

  #scheduleRenewal(): void {
    this.#timer = this.#options.clock.after(RENEW_MS, () => {
      // logged below, and retried
      this.#renew().catch(() => {});
    });
  }

  /** At most one renewal runs at a time. */
  #renew(): Promise<void> {
    this.#timer?.cancel();
    this.#renewal ??= this.#renewOnce().finally(() => {
      this.#renewal = undefined;
      if (this.#number > 0) this.#scheduleRenewal();
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
        log.warn({ cause: messageOf(error) }, 'failed to renew the claim on the pool, retrying');
      }
      throw error;
    }
  }

  #lose(claim: Claim | undefined): BalancerError {
    this.#number = 0;
    this.#loss = this.#poolTaken(claim);
    this.#lost.resolve(this.#loss);
    return this.#loss;
  }

  #poolTaken(claim: Claim | undefined): BalancerError {
    const { pool } = this.#options;
    const reason = `The pool ${pool} belongs to another balancer (${describeClaim(claim)}): stop that one, or give this one a pool of its own with --pool NAME`;
    return new BalancerError('pool-taken', reason);
  }
}

function volumeOf(pool: string, number: number): string {
  return `ringlb-claim-${pool}-${number}`;
}

/** The number of the claim; 0 for a volume that is not one. */
function numberIn(volume: string, pool: string): number {
  const number = Number(volume.split('-').at(-1));
  return Number.isSafeInteger(number) && volumeOf(pool, number) === volume ? number : 0;
}

function describeClaim(claim: Claim | undefined): string {
  if (claim === undefined) return 'which has ended since';
  return claim.owner ? describeOwner(claim.owner) : `its claim is the volume ${claim.volume}`;
}
