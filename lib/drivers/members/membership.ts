/**
 * The balancers that share a pool: each renews a record of itself again and again, and reads those of the others.
 * Invariants: a balancer counts as alive until it is known to have ended or its record has not changed for 10 s by the
 * observer's clock, and clocks of others are never compared; while the engine is silent those seen last are kept, and
 * that time does not count.
 */
import type { ScaleReport } from '../../core/policy/shared-scale.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
import { sleep } from '../../platform/clock.ts';
import { BalancerError, messageOf } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import { describeOwner, type Owner } from '../docker/owner.ts';
import type { Members, Peer, PoolDeploy, Turn } from '../driver.ts';
import { RecentRemovals } from './recent-removals.ts';
import { type MemberRecord, peerOf, shortId } from './record.ts';
import type { MemberStore, StoredRecord } from './store.ts';
import { TableWatch } from './table-watch.ts';
import { Turns } from './turns.ts';

const RENEW_MS = 1000;
const EXPIRY_MS = 10_000;
/** Between two looks at the records no more than this many renewals are missed. */
const LATE_RENEWALS = 2;
/** Between two looks at who still uses an instance. */
const LOOK_MS = 200;
/** A renewal may have been under way when the others were told of a removal, so the one after that counts. */
const RENEWALS = 2;

export interface MembershipParts {
  readonly store: MemberStore;
  readonly owner: Owner;
  /** True for a balancer that is known to have ended. */
  readonly isGone: (owner: Owner) => Promise<boolean>;
  /** Between two renewals; a second unless said. */
  readonly renewMs?: number;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Seen {
  readonly record: MemberRecord;
  /** How long it has not changed, as far as it was looked at. */
  readonly silentMs: number;
  /** How often it was seen to change. */
  readonly renewals: number;
}

export class Membership implements Members {
  readonly #parts: MembershipParts;
  readonly #seen = new Map<string, Seen>();
  readonly #using = new Set<string>();
  readonly #released = new Set<string>();
  readonly #tables: TableWatch;
  #number = 0;
  /** When the records were read last. */
  #readMs = Number.NEGATIVE_INFINITY;
  #tableHash: () => string = () => '';
  #onCount: (count: number) => void = () => {};
  /** What it was called with last: a look may fail when it has seen some of the others. */
  #toldCount = 0;
  #scaleReport: () => ScaleReport | undefined = () => undefined;
  #onScaleRead: () => void = () => {};
  #timer: Timer | undefined;
  #isFailing = false;
  #isClosed = false;
  /** How many times the records are being compared at the moment, … */
  #comparing = 0;
  /** … and the balancers that one of these has found to be over: another may have asked before. */
  readonly #foundOver = new Set<string>();
  /** Settles when the last renewal that was begun is over. */
  #renewing: Promise<unknown> = Promise.resolve();

  /** What this balancer has removed. */
  readonly removals: RecentRemovals;
  readonly #turns: Turns;
  readonly #deployTurns: Turns;
  #deploy: PoolDeploy | undefined;
  #onUndo: (by: Peer) => void = () => {};
  /** The deploy of another balancer that is to be taken back. */
  #undo: string | undefined;

  constructor(parts: MembershipParts) {
    this.#parts = parts;
    this.#tables = new TableWatch(parts.log);
    const { store, owner, clock } = parts;
    this.removals = new RecentRemovals(clock);
    const common = { store, token: owner.token, clock, isAlive: (token: string) => this.#seen.has(token) };
    this.#turns = new Turns({ ...common, kind: 'size' });
    this.#deployTurns = new Turns({ ...common, kind: 'deploy' });
  }

  /** Joins; resolves once the others can see this balancer. Throws `engine-unreachable`. */
  async join(): Promise<void> {
    await this.#renew();
    this.#schedule();
  }

  get peers(): readonly Peer[] {
    const { owner } = this.#parts;
    const self = { ...peerOf({ owner, tableHash: this.#tableHash() }), isSelf: true };
    return [self, ...[...this.#seen.values()].map(({ record }) => peerOf(record))];
  }

  /** True for the balancer that deploys, else for the one with the lowest id: where one is enough to act, it does. */
  get isActing(): boolean {
    const { token } = this.#parts.owner;
    if (this.#deploy !== undefined) return true;
    if (this.deploying !== undefined) return false;
    return ![...this.#seen.keys()].some((other) => other < token);
  }

  /** `onCount` is called with the number of balancers whenever it changes. */
  follow(tableHash: () => string, onCount: (count: number) => void): void {
    this.#tableHash = tableHash;
    this.#onCount = onCount;
    this.#toldCount = 0;
    this.#tellCount();
  }

  get scaleReports(): ReadonlyMap<string, ScaleReport | undefined> {
    return new Map([...this.#seen.values()].map(({ record }) => [peerOf(record).id, record.scale]));
  }

  exchangeScale(report: () => ScaleReport, onRead: () => void): void {
    this.#scaleReport = report;
    this.#onScaleRead = onRead;
  }

  /** Reads what those that had the turn before have changed, and tells the others when it ends what this one has. */
  async takeTurn(): Promise<() => Promise<void>> {
    const turn = await this.#turns.take();
    try {
      await this.#renew();
    } catch (error) {
      await turn.end().catch(() => {});
      throw error;
    }
    return () => this.#renew().finally(turn.end);
  }

  get deploying(): { readonly by: Peer; readonly deploy: PoolDeploy } | undefined {
    for (const { record } of this.#seen.values())
      if (record.deploy !== undefined) return { by: peerOf(record), deploy: record.deploy };
    return undefined;
  }

  async look(): Promise<void> {
    await this.#read(await this.#parts.store.list());
  }

  async takeDeployTurn(): Promise<Turn> {
    // the one that has it may have ended since the records were read
    await this.look();
    return this.#deployTurns.take((token) => {
      const by = describeOwner(this.#seen.get(token)!.record.owner);
      const reason = `another balancer of the pool deploys (${by}): wait for its end, or take it back with DELETE /deploy`;
      throw new BalancerError('deploy-running', reason);
    });
  }

  announceDeploy(deploy: PoolDeploy | undefined, onUndo: (by: Peer) => void): void {
    this.#deploy = deploy;
    this.#onUndo = onUndo;
    // an operator at another balancer may want to take it back at once
    void this.#renewNow();
  }

  requestUndo(deployId: string): void {
    this.#undo = deployId;
    void this.#renewNow();
  }

  /** These are the instances that there are, `usable` those that requests may be sent to from now on. */
  use(usable: readonly string[], present: readonly string[]): void {
    const all = new Set(present);
    // one that was out of its place is used again once it is back there: a deploy was taken back
    for (const id of this.#released) if (!usable.includes(id)) this.#released.delete(id);
    for (const id of usable) if (!this.#released.has(id)) this.#using.add(id);
    for (const set of [this.#using, this.#released]) for (const id of set) if (!all.has(id)) set.delete(id);
  }

  /** No request is in flight on the instance, and none will be. */
  release(instanceId: string): void {
    this.#using.delete(instanceId);
    this.#released.add(instanceId);
  }

  /** Resolves once no other balancer uses the instance, which was retired before the call, or after `limitMs`. */
  async untilReleased(instanceId: string, limitMs: number): Promise<void> {
    const { clock } = this.#parts;
    const id = shortId(instanceId);
    const before = new Map([...this.#seen].map(([token, { renewals }]) => [token, renewals]));
    const untilMs = clock.nowMs() + limitMs;
    const isReleased = (): boolean =>
      [...this.#seen].every(
        ([token, { record, renewals }]) =>
          renewals - (before.get(token) ?? 0) >= RENEWALS && !record.using.includes(id),
      );
    while (!isReleased() && clock.nowMs() < untilMs) await sleep(clock, LOOK_MS);
  }

  /** True where another balancer has removed the instance in the last ten minutes. Throws `engine-unreachable`. */
  async wasRemovedElsewhere(instanceId: string): Promise<boolean> {
    await this.look();
    const id = shortId(instanceId);
    return [...this.#seen.values()].some(({ record }) => record.removed?.includes(id));
  }

  /** Leaves; safe to call again. A record that cannot be removed expires with this process. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#renewing;
    const { store, owner, log } = this.#parts;
    try {
      for (const { key, record } of await store.list())
        if (record.owner.token === owner.token) await store.remove(key);
    } catch (error) {
      log.warn({ cause: messageOf(error) }, 'failed to remove the record of this balancer');
    }
  }

  /**
   * Each removes its own record before it looks for those of others, so of several that leave at once one at least finds
   * none.
   */
  async leave(): Promise<boolean> {
    await this.close();
    const { store, owner, isGone } = this.#parts;
    try {
      for (const { record } of await store.list())
        if (record.owner.token !== owner.token && !(await isGone(record.owner))) return false;
    } catch {
      return this.#seen.size === 0;
    }
    this.#seen.clear();
    return true;
  }

  #schedule(): void {
    if (this.#isClosed) return;
    const { clock, renewMs = RENEW_MS } = this.#parts;
    this.#timer = clock.after(renewMs, () => {
      void this.#renewNow().finally(() => this.#schedule());
    });
  }

  /** Never rejects. */
  #renewNow(): Promise<void> {
    const renewed = this.#renew().then(
      () => this.#report(undefined),
      (error: unknown) => this.#report(error),
    );
    this.#renewing = renewed;
    return renewed;
  }

  #report(error: unknown): void {
    const { log } = this.#parts;
    if (error !== undefined && !this.#isFailing)
      log.warn({ cause: messageOf(error) }, 'failed to renew the record of this balancer, retrying');
    this.#isFailing = error !== undefined;
  }

  async #renew(): Promise<void> {
    const { store, owner } = this.#parts;
    const using = [...this.#using].map(shortId);
    const scale = this.#scaleReport();
    const deploy = this.#deploy;
    if (this.deploying?.deploy.id !== this.#undo) this.#undo = undefined;
    const undo = this.#undo;
    const number = ++this.#number;
    const { ids: removed } = this.removals;
    await store.put({ owner, number, tableHash: this.#tableHash(), using, removed, scale, deploy, undo });
    if (this.#isClosed) return this.#removeOwn(await store.list());
    const stored = await store.list();
    await this.#removeOwn(stored.filter(({ record }) => record.number < number));
    await this.#read(stored);
  }

  async #removeOwn(stored: readonly StoredRecord[]): Promise<void> {
    const { store, owner } = this.#parts;
    const own = stored.filter(({ record }) => record.owner.token === owner.token);
    await Promise.allSettled(own.map(({ key }) => store.remove(key)));
  }

  /** Compares the records of the others with those seen before. */
  async #read(stored: readonly StoredRecord[]): Promise<void> {
    this.#comparing++;
    try {
      await this.#compare(stored);
    } finally {
      if (--this.#comparing === 0) this.#foundOver.clear();
    }
  }

  async #compare(stored: readonly StoredRecord[]): Promise<void> {
    const { store, owner, clock, isGone, log, renewMs = RENEW_MS } = this.#parts;
    const newest = new Map<string, StoredRecord>();
    for (const one of stored) {
      const { token } = one.record.owner;
      const isNewest = one.record.number > (newest.get(token)?.record.number ?? 0);
      if (token !== owner.token && isNewest) newest.set(token, one);
    }
    const nowMs = clock.nowMs();
    // while the engine was silent nobody could renew a record
    const sinceMs = Math.min(nowMs - this.#readMs, LATE_RENEWALS * renewMs);
    this.#readMs = nowMs;
    for (const [token, { record }] of newest) {
      const hasEnded = await isGone(record.owner);
      const seen = this.#seen.get(token);
      // the response to an earlier look may come later
      const isRenewed = seen === undefined || seen.record.number < record.number;
      const silentMs = isRenewed ? 0 : seen.silentMs + sinceMs;
      const isOver = hasEnded || silentMs > EXPIRY_MS || this.#foundOver.has(token);
      if (isOver) {
        this.#foundOver.add(token);
        const past = stored.filter((one) => one.record.owner.token === token);
        await Promise.allSettled(past.map(({ key }) => store.remove(key)));
        newest.delete(token);
      } else
        this.#seen.set(token, {
          record: isRenewed ? record : seen.record,
          silentMs,
          renewals: (seen?.renewals ?? 0) + (isRenewed ? 1 : 0),
        });
      if (seen === undefined && !isOver)
        log.info({ peer: describeOwner(record.owner) }, 'another balancer shares the pool');
    }
    for (const [token, { record }] of this.#seen) {
      if (newest.has(token)) continue;
      this.#seen.delete(token);
      log.info({ peer: describeOwner(record.owner) }, 'another balancer of the pool has ended');
    }
    const tables = [...this.#seen.values()].map(({ record }) => record);
    this.#tables.compare(this.#tableHash(), tables, nowMs);
    this.#tellCount();
    this.#onScaleRead();
    for (const { record } of this.#seen.values())
      if (this.#deploy !== undefined && record.undo === this.#deploy.id) this.#onUndo(peerOf(record));
  }

  #tellCount(): void {
    const count = this.#seen.size + 1;
    if (count === this.#toldCount) return;
    this.#toldCount = count;
    this.#onCount(count);
  }
}
