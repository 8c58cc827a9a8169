/**
 * Which replica a client with a sticky cookie is sent to, and which cookie a response sets.
 * A token stands for a name: while an instance is exchanged for another, two ordinals have one name, and the state words
 * say which of them is in service, so clients stay with the name at every moment of an exchange.
 */
import { NO_ORDINAL, type UpstreamRecord } from '../../core/replica.ts';
import type { Picker } from '../../core/routing/pick.ts';
import { isStaying, type RouteTable, servesSessions } from '../../core/routing/route-table.ts';

export interface StickyOptions {
  /** What becomes of the cookie when its replica cannot serve: `keep` leaves it, for when the replica is back. */
  readonly stickyOnOutage: 'move' | 'keep';
}

const NO_ORDINALS: readonly number[] = [];

export class StickyReplicas {
  readonly #table: RouteTable;
  readonly #picker: Picker;
  readonly #options: StickyOptions;
  #ordinals: ReadonlyMap<string, readonly number[]> = new Map();
  /** By ordinal; also of those that have gone, since a response may come after. */
  readonly #tokens: string[] = [];

  /** `options` may change while it is in use. */
  constructor(table: RouteTable, picker: Picker, options: StickyOptions) {
    this.#table = table;
    this.#picker = picker;
    this.#options = options;
  }

  /** Takes over the whole list of instances. */
  update(records: readonly UpstreamRecord[]): void {
    const ordinals = new Map<string, readonly number[]>();
    for (const { ordinal, token = '' } of records) {
      this.#tokens[ordinal] = token;
      if (token !== '') ordinals.set(token, [...(ordinals.get(token) ?? NO_ORDINALS), ordinal]);
    }
    this.#ordinals = ordinals;
  }

  /**
   * Chooses for a client whose cookie says `token`, '' for none, and counts the request in flight: its replica where that
   * may and can take it, else as `Picker.lease` does.
   */
  lease(token: string, hash: number, tried: readonly number[]): number {
    if (token === '') return this.#picker.lease(hash, tried);
    for (const ordinal of this.#ordinals.get(token) ?? NO_ORDINALS)
      if (this.#picker.leaseForSession(ordinal, tried)) return ordinal;
    return this.#picker.lease(hash, tried);
  }

  /** The ordinal in whose queue such a request waits: of its replica, else the owner of its slot. */
  queueOf(token: string, hash: number): number {
    if (token === '') return this.#picker.ownerOf(hash);
    for (const ordinal of this.#ordinals.get(token) ?? NO_ORDINALS)
      if (servesSessions(this.#table.stateWord(ordinal))) return ordinal;
    return this.#picker.ownerOf(hash);
  }

  /** The token that the client is to be sent, where its cookie said `token` and `taken` responds; '' for none. */
  tokenToSet(token: string, taken: number): string {
    const next = taken === NO_ORDINAL ? '' : (this.#tokens[taken] ?? '');
    if (next === token) return '';
    if (token === '' || this.#options.stickyOnOutage === 'move') return next;
    return this.#isStaying(token) ? '' : next;
  }

  #isStaying(token: string): boolean {
    const ordinals = this.#ordinals.get(token) ?? NO_ORDINALS;
    return ordinals.some((ordinal) => isStaying(this.#table.stateWord(ordinal)));
  }
}
