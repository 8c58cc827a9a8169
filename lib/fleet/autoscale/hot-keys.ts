/**
 * Tells a hot key from a full fleet: one replica has most of the load while the others are nearly idle, so more replicas
 * would take none of it. The data threads find the key's hash, but only while there is such a replica.
 */
import type { RouteTableWriter } from '../../core/routing/route-table.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Journal } from '../journal.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';
import type { LoadGauge } from './load-gauge.ts';

export interface HotKeyParts {
  readonly registry: Registry;
  readonly table: RouteTableWriter;
  readonly clock: Clock;
  readonly journal: Journal;
}

/** A replica that has been healthy for less than this has not had its share of the load yet. */
const SETTLED_MS = 10_000;
/** How long the threads, which look once a second, have to find the hash. */
const KEY_SECONDS = 3;

export class HotKeys {
  readonly #parts: HotKeyParts;
  #hot: Replica | undefined;
  /** Since it became hot. */
  #seconds = 0;
  #isReported = false;

  constructor(parts: HotKeyParts) {
    this.#parts = parts;
  }

  get isHot(): boolean {
    return this.#hot !== undefined;
  }

  /** To be called once a second. */
  look(gauge: LoadGauge, target: number): void {
    const { registry, table, clock } = this.#parts;
    const sinceMs = clock.nowMs() - SETTLED_MS;
    const settled = registry.members.filter(
      (member) => member.state === 'healthy' && member.sinceMs <= sinceMs,
    );
    const hot = gauge.hotOwner(settled, target);
    if (hot !== this.#hot) {
      table.keyWatch.watch(hot?.ordinal);
      [this.#hot, this.#seconds, this.#isReported] = [hot, 0, false];
    }
    if (hot !== undefined && !this.#isReported) this.#report(hot);
  }

  /** Enters it in the journal, once the hash is known or will not be. */
  #report({ name }: Replica): void {
    const { table, journal } = this.#parts;
    const hash = table.keyWatch.commonKey;
    if (hash === undefined && ++this.#seconds < KEY_SECONDS) return;
    this.#isReported = true;
    const key =
      hash === undefined ? '' : `, most of it of the key with the hash ${hash.toString(16).padStart(8, '0')}`;
    const cause = `more than 60 % of the load is on ${name}${key}; the others are nearly idle, so more would not help`;
    journal.note({ kind: 'hot-key', replica: name, cause });
  }
}
