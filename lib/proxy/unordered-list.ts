/**
 * What comes and goes many thousand times a second, in no order: what leaves changes places with the last.
 * A Set or Map would do but for the garbage collector: V8 keeps the tables that it grows out of linked to their successors, so
 * that one table in old space keeps alive what has left all later ones, until a full collection. With the connections in
 * a Set, each of 13,000 a second was copied there.
 */

/** The place of what is in no list. */
export const NOT_LISTED = -1;

/** May be in one list at a time. */
export abstract class Listed {
  /** Its index in the list, which sets it; `NOT_LISTED` where it is in none. */
  place = NOT_LISTED;
}

export class UnorderedList<T extends Listed> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  add(item: T): void {
    item.place = this.#items.length;
    this.#items.push(item);
  }

  /** False where it is not in the list. */
  remove(item: T): boolean {
    const { place } = item;
    if (place === NOT_LISTED) return false;
    item.place = NOT_LISTED;
    const last = this.#items.pop()!;
    if (last === item) return true;
    this.#items[place] = last;
    last.place = place;
    return true;
  }

  /** All that are in it at the beginning and have not left; some come twice where others leave meanwhile. */
  *[Symbol.iterator](): Generator<T, void> {
    // from the end, since what leaves changes places with the last
    for (let place = this.#items.length - 1; place >= 0; place--) {
      const item = this.#items[place];
      if (item !== undefined) yield item;
    }
  }
}
