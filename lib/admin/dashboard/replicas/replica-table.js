/**
 * The table of replicas: a row for each, in the balancer's order, kept while the replica is there.
 * Must not hold: cells (`replica-row.js`), what the buttons do.
 */
import { byId } from '../view/dom.js';
import { ReplicaRow } from './replica-row.js';

/** @import { Snapshot } from '../../../api/snapshot.ts' */
/** @import { Action } from './replica-row.js' */

/** What rows laid out as cards would lose in some browsers: that it is a table. */
const ROLES = /** @type {const} */ ([
  ['table', 'table'],
  ['thead, tbody', 'rowgroup'],
  ['tr', 'row'],
  ['th', 'columnheader'],
]);

export class ReplicaTable {
  #body = byId('replica-rows', HTMLTableSectionElement);
  #empty = byId('no-replicas', HTMLElement);
  #heading = byId('replicas-heading', HTMLElement);
  #onAction;
  #onPoint;
  /** By name and id: another replica may come under an old name. @type {Map<string, ReplicaRow>} */
  #rows = new Map();
  /** Rows by the name alone, to be lit. @type {Map<string, HTMLElement>} */
  #byName = new Map();

  /**
   * @param {(action: Action, name: string) => void} onAction
   * @param {(name: string | undefined) => void} onPoint the pointer or the focus is on a row, or on none
   */
  constructor(onAction, onPoint) {
    this.#onAction = onAction;
    this.#onPoint = onPoint;
    const table = byId('replicas', HTMLTableElement);
    for (const [what, role] of ROLES)
      for (const element of [table, ...table.querySelectorAll('*')])
        if (element.matches(what)) element.setAttribute('role', role);
  }

  /** @param {Snapshot} snapshot */
  show({ replicas, limits, canScale }) {
    const isFirst = this.#rows.size === 0;
    /** @type {Map<string, ReplicaRow>} */
    const rows = new Map();
    this.#byName.clear();
    for (const replica of replicas) {
      const key = `${replica.id} ${replica.name} ${replica.state === 'draining' && !replica.drained}`;
      const row = this.#rows.get(key) ?? this.#make(replica, !isFirst);
      row.update(replica, limits.maxInFlight, canScale);
      rows.set(key, row);
      this.#byName.set(replica.name, row.element);
    }
    const hadFocus = this.#body.contains(document.activeElement);
    for (const [key, row] of this.#rows) if (!rows.has(key)) row.element.remove();
    this.#rows = rows;
    this.#order([...rows.values()].map(({ element }) => element));
    this.#empty.hidden = rows.size > 0;
    // the row with the focus has gone: from the heading one goes on to the others
    if (hadFocus && !this.#body.contains(document.activeElement)) this.#heading.focus();
  }

  /**
   * Lights one replica's row.
   * @param {string | undefined} name
   */
  point(name) {
    for (const [key, row] of this.#byName) row.classList.toggle('lit', key === name);
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
    return row;
  }

  /**
   * Moves only what is not in its place, so that a button keeps the focus.
   * @param {readonly HTMLElement[]} elements
   */
  #order(elements) {
    for (const [place, element] of elements.entries()) {
      const there = this.#body.children[place] ?? null;
      if (there !== element) this.#body.insertBefore(element, there);
    }
  }
}
