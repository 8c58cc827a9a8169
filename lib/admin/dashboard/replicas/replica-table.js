/**
 * The table of replicas: a row for each, kept while the replica is there; trouble first unless somebody sorts it.
 * Invariant: while the pointer moves over the rows, or a key is pressed in them, they hold their order for a moment,
 * so that a button does not move away under it.
 */
import { byId, setText } from '../view/dom.js';
import { count } from '../view/format.js';
import { by, entriesOf, isColumn, isTrouble, matches, pressed, sorted } from './order.js';
import { ReplicaRow } from './replica-row.js';
import { isLeaving, outliersOf } from './trouble.js';

/** @import { Snapshot } from '../../../api/snapshot.ts' */
/** @import { Entry, Sorting } from './order.js' */
/** @import { Action } from './replica-row.js' */

/** What rows laid out as cards would lose in some browsers: that it is a table. */
const ROLES = /** @type {const} */ ([
  ['table', 'table'],
  ['thead, tbody', 'rowgroup'],
  ['tr', 'row'],
  ['th', 'columnheader'],
]);
/** From here on rows are one line high, and only some are shown until all are asked for. */
const COMPACT = 16;
/** The same on a phone, where a row is a card. */
const COMPACT_ON_PHONE = 6;
const PHONE = matchMedia('(max-width: 45rem)');
const SHOWN = 24;
const HOLD_MS = 3000;

export class ReplicaTable {
  #table = byId('replicas', HTMLTableElement);
  #body = byId('replica-rows', HTMLTableSectionElement);
  #empty = byId('no-replicas', HTMLElement);
  #heading = byId('replicas-heading', HTMLElement);
  #filter = byId('filter', HTMLInputElement);
  #onlyTrouble = byId('only-trouble', HTMLButtonElement);
  #sort = byId('sort', HTMLSelectElement);
  #all = byId('all-replicas', HTMLButtonElement);
  #onAction;
  #onPoint;
  /** By name and id: another replica may come under an old name. @type {Map<string, ReplicaRow>} */
  #rows = new Map();
  /** Rows by the name alone, to be lit. @type {Map<string, ReplicaRow>} */
  #byName = new Map();
  /** @type {Snapshot | undefined} */
  #latest;
  /** @type {Sorting} */
  #sorting = by('state');
  #showsAll = false;
  #heldUntilMs = 0;
  /** @type {string | undefined} */
  #chosen;

  /**
   * @param {(action: Action, name: string) => void} onAction
   * @param {(name: string | undefined) => void} onPoint the pointer or the focus is on a row, or on none
   */
  constructor(onAction, onPoint) {
    this.#onAction = onAction;
    this.#onPoint = onPoint;
    for (const [what, role] of ROLES)
      for (const element of [this.#table, ...this.#table.querySelectorAll('*')])
        if (element.matches(what)) element.setAttribute('role', role);
    this.#listen();
  }

  #listen() {
    for (const moved of ['pointermove', 'pointerdown', 'keydown'])
      this.#body.addEventListener(moved, () => {
        this.#heldUntilMs = performance.now() + HOLD_MS;
      });
    for (const heading of this.#headings())
      heading.querySelector('button')?.addEventListener('click', () => {
        const { sort } = heading.dataset;
        if (sort !== undefined && isColumn(sort)) this.#sortBy(pressed(this.#sorting, sort));
      });
    this.#sort.addEventListener('change', () => {
      const { value } = this.#sort;
      if (isColumn(value)) this.#sortBy(by(value));
    });
    this.#filter.addEventListener('input', () => this.#redraw());
    this.#onlyTrouble.addEventListener('click', () => {
      const isOn = this.#onlyTrouble.getAttribute('aria-pressed') !== 'true';
      this.#onlyTrouble.setAttribute('aria-pressed', `${isOn}`);
      this.#redraw();
    });
    PHONE.addEventListener('change', () => this.#redraw());
    this.#all.addEventListener('click', () => {
      this.#showsAll = !this.#showsAll;
      this.#redraw();
    });
  }

  /** @param {Snapshot} snapshot */
  show(snapshot) {
    this.#latest = snapshot;
    const { replicas, limits, canScale } = snapshot;
    const isFirst = this.#rows.size === 0;
    const entries = entriesOf(replicas, outliersOf(replicas));
    /** @type {Map<string, ReplicaRow>} */
    const rows = new Map();
    this.#byName.clear();
    for (const entry of entries) {
      const { replica } = entry;
      const key = keyOf(entry);
      const row = this.#rows.get(key) ?? this.#make(replica, !isFirst);
      row.update(entry, limits.maxInFlight, canScale);
      rows.set(key, row);
      if (!isLeaving(replica) || !this.#byName.has(replica.name)) this.#byName.set(replica.name, row);
    }
    const hadFocus = this.#body.contains(document.activeElement);
    for (const [key, row] of this.#rows) if (!rows.has(key)) row.element.remove();
    this.#rows = rows;
    this.#place(entries);
    // the row with the focus has gone: from the heading one goes on to the others
    if (hadFocus && !this.#body.contains(document.activeElement)) this.#heading.focus();
  }

  /**
   * Lights one replica's row.
   * @param {string | undefined} name
   */
  point(name) {
    for (const [key, row] of this.#byName) row.element.classList.toggle('lit', key === name);
  }

  /** Marks the row of the replica that the charts show alone. @param {string | undefined} name */
  choose(name) {
    this.#chosen = name;
    for (const [key, row] of this.#byName) row.choose(key === name);
  }

  /** @param {Sorting} sorting */
  #sortBy(sorting) {
    this.#sorting = sorting;
    this.#sort.value = sorting.column;
    for (const heading of this.#headings())
      if (heading.dataset.sort === sorting.column)
        heading.setAttribute('aria-sort', sorting.isDescending ? 'descending' : 'ascending');
      else heading.removeAttribute('aria-sort');
    this.#redraw();
  }

  #headings() {
    return /** @type {NodeListOf<HTMLElement>} */ (this.#table.querySelectorAll('th[data-sort]'));
  }

  #redraw() {
    this.#heldUntilMs = 0;
    if (this.#latest !== undefined) this.show(this.#latest);
  }

  /** @param {readonly Entry[]} entries */
  #place(entries) {
    const isCompact = entries.length >= (PHONE.matches ? COMPACT_ON_PHONE : COMPACT);
    this.#table.classList.toggle('compact', isCompact);
    const troubled = entries.filter(isTrouble).length;
    setText(this.#onlyTrouble, `Only unhealthy (${count(troubled)})`);
    const isOnly = this.#onlyTrouble.getAttribute('aria-pressed') === 'true';
    const wanted = entries.filter(
      (entry) => (!isOnly || isTrouble(entry)) && matches(entry, this.#filter.value),
    );
    const most = isCompact && !this.#showsAll ? SHOWN : entries.length;
    const shown = this.#ordered(wanted).slice(0, most);
    this.#order(shown.map((key) => this.#rows.get(key)).flatMap((row) => row?.element ?? []));
    this.#all.hidden = wanted.length <= SHOWN || !isCompact;
    setText(this.#all, this.#showsAll ? `Show the first ${SHOWN}` : `Show all ${count(wanted.length)}`);
    this.#empty.hidden = shown.length > 0;
    setText(this.#empty, entries.length === 0 ? 'There is no replica.' : 'No replica matches.');
  }

  /** Keys in their order: as they stand while it is held, with what is new behind. @param {readonly Entry[]} entries */
  #ordered(entries) {
    const keys = sorted(entries, this.#sorting).map(keyOf);
    if (performance.now() >= this.#heldUntilMs) return keys;
    const places = new Map([...this.#body.children].map((element, place) => [element, place]));
    const placeOf = (/** @type {string} */ key) => {
      const row = this.#rows.get(key);
      return (row && places.get(row.element)) ?? places.size;
    };
    return keys.toSorted((one, other) => placeOf(one) - placeOf(other));
  }

  /**
   * @param {Snapshot['replicas'][number]} replica
   * @param {boolean} isNew
   */
  #make(replica, isNew) {
    const { name } = replica;
    const row = new ReplicaRow(replica, (action) => this.#onAction(action, name));
    for (const begin of ['pointerenter', 'focusin'])
      row.element.addEventListener(begin, () => this.#onPoint(name));
    for (const end of ['pointerleave', 'focusout'])
      row.element.addEventListener(end, () => this.#onPoint(undefined));
    if (isNew) row.element.classList.add('new');
    row.choose(name === this.#chosen);
    return row;
  }

  /**
   * Moves only what is not in its place, so that a button keeps the focus.
   * @param {readonly HTMLElement[]} elements
   */
  #order(elements) {
    const shown = new Set(elements);
    for (const element of [...this.#body.children])
      if (element instanceof HTMLElement && !shown.has(element)) element.remove();
    const focused = elements.find((element) => element.contains(document.activeElement));
    for (const [place, element] of elements.entries()) {
      const there = this.#body.children[place] ?? null;
      if (there === element) continue;
      // moved itself it would lose the focus, so the others move around it
      if (element === focused) {
        while (this.#body.children[place] !== element)
          this.#body.append(this.#body.children[place] ?? element);
      } else this.#body.insertBefore(element, there);
    }
  }
}

/** @param {Entry} entry */
function keyOf({ replica }) {
  return `${replica.id} ${replica.name} ${isLeaving(replica)}`;
}
