/**
 * The ring: outside who owns each slot, as the table has it, inside the share of each replica.
 * Slots of a Maglev table lie about like shuffled cards, so neither ring could stand for the other.
 * Invariants: a replica has one colour here and in the table; one that gets no request is hatched, not only pale.
 */

import { byId, hueOf, setText, svg } from '../view/dom.js';
import { count, percent, visible } from '../view/format.js';
import { arcPath, pointAt, runsOf, sharesAsArcs } from './ring-geometry.js';

/** @import { ReplicaSnapshot, Snapshot } from '../../../api/snapshot.ts' */
/** @import { RingMember, RingView } from '../../../api/types.ts' */

/** Of a larger table as many slots are shown. */
const SAMPLE = 360;
/** A table up to here is shown whole. */
const WHOLE = 512;
const SLOTS_RADIUS = 145;
const SHARES_RADIUS = 108;
const LABELLED_SHARE = 0.05;
const LABEL_LENGTH = 6;

export class Ring {
  #slots = byId('ring-slots', SVGGElement);
  #shares = byId('ring-shares', SVGGElement);
  #hatches = byId('ring-hatches', SVGGElement);
  #labels = byId('ring-labels', SVGGElement);
  #count = byId('ring-count', SVGTextElement);
  #says = byId('ring-says', HTMLElement);
  #load;
  #onPoint;
  #onChoose;
  /** What is drawn, so that nothing is drawn twice. */
  #drawn = '';
  #table = '';

  /**
   * @param {(sample: number) => Promise<RingView>} load
   * @param {(name: string | undefined) => void} onPoint the pointer is on a replica's share, or on none
   * @param {(name: string) => void} onChoose a share was pressed
   */
  constructor(load, onPoint, onChoose) {
    this.#load = load;
    this.#onPoint = onPoint;
    this.#onChoose = onChoose;
  }

  /** @param {Snapshot} snapshot */
  draw(snapshot) {
    const { ring, eligible, desired } = snapshot;
    setText(this.#count, `${eligible}/${desired}`);
    const members = snapshot.replicas.filter(({ slots }) => slots > 0);
    const look = JSON.stringify(
      members.map((member) => [member.name, member.id, member.share, wordOf(member)]),
    );
    if (look !== this.#drawn) {
      this.#drawn = look;
      this.#drawShares(members);
    }
    const table = `${snapshot.startedAtMs} ${ring.version}`;
    if (table !== this.#table) {
      this.#table = table;
      void this.#drawSlots(ring.slots, table);
    }
  }

  /**
   * Lights one replica's arcs; all of them for undefined.
   * @param {string | undefined} name
   */
  point(name) {
    const shown = name === undefined ? undefined : visible(name);
    for (const group of [this.#slots, this.#shares, this.#labels])
      for (const part of group.children) {
        const isOther = shown !== undefined && part.getAttribute('data-name') !== shown;
        part.classList.toggle('dimmed', isOther);
      }
  }

  /** @param {readonly ReplicaSnapshot[]} members */
  #drawShares(members) {
    const arcs = sharesAsArcs(members.map(({ share }) => share));
    const parts = members.map((member, place) => ({ member, ...(arcs[place] ?? { from: 0, to: 0 }) }));
    this.#shares.replaceChildren(
      ...parts.map(({ member, from, to }) => {
        const path = svg('path', {
          d: arcPath(SHARES_RADIUS, from, to),
          class: 'share',
          'data-name': member.name,
        });
        path.style.setProperty('--hue', `${hueOf(member.id)}`);
        path.addEventListener('pointerenter', () => this.#onPoint(member.name));
        path.addEventListener('pointerleave', () => this.#onPoint(undefined));
        path.addEventListener('click', () => this.#onChoose(member.name));
        const title = svg('title', {});
        setText(title, `${member.name}: ${percent(member.share)}, ${wordOf(member)}`);
        path.append(title);
        return path;
      }),
    );
    const out = parts.filter(({ member }) => wordOf(member) !== 'healthy');
    this.#hatches.replaceChildren(
      ...out.map(({ from, to }) => svg('path', { d: arcPath(SHARES_RADIUS, from, to), class: 'hatched' })),
    );
    this.#labels.replaceChildren(
      ...parts
        .filter(({ member }) => member.share >= LABELLED_SHARE && member.name.length <= LABEL_LENGTH)
        .map(({ member, from, to }) => {
          const { x, y } = pointAt(SHARES_RADIUS, (from + to) / 2);
          const kind = wordOf(member) === 'healthy' ? 'ring-label' : 'ring-label out';
          const label = svg('text', { x, y, class: kind, 'data-name': member.name });
          setText(label, member.name);
          return label;
        }),
    );
  }

  /**
   * @param {number} slots
   * @param {string} wanted
   */
  async #drawSlots(slots, wanted) {
    const shown = slots <= WHOLE ? slots : SAMPLE;
    try {
      const { sample = [], members } = await this.#load(shown);
      if (this.#table === wanted) this.#showSlots(sample, members);
    } catch {
      // with the next snapshot it is tried again
      if (this.#table === wanted) this.#table = '';
      return;
    }
    const each =
      slots <= shown
        ? `each of ${count(slots)} slots`
        : `every ${ordinal(Math.round(slots / shown))} of ${count(slots)} slots`;
    setText(
      this.#says,
      `Outer ring: who owns ${each}. Inner ring: the share of each replica; hatched ones get no requests.`,
    );
  }

  /**
   * @param {readonly number[]} sample
   * @param {readonly RingMember[]} members
   */
  #showSlots(sample, members) {
    /** @type {Map<number, string>} */
    const paths = new Map();
    for (const { owner, from, to } of runsOf(sample))
      paths.set(owner, (paths.get(owner) ?? '') + arcPath(SLOTS_RADIUS, from, to));
    this.#slots.replaceChildren(
      ...[...paths].flatMap(([owner, d]) => {
        const member = members[owner];
        if (member === undefined) return [];
        const path = svg('path', { d, class: 'slots', 'data-name': member.name });
        path.style.setProperty('--hue', `${hueOf(member.id)}`);
        return [path];
      }),
    );
  }
}

/** @param {ReplicaSnapshot} member */
function wordOf({ state, drained }) {
  return drained ? 'drained' : state;
}

/** @param {number} value */
function ordinal(value) {
  const ending = { one: 'st', two: 'nd', few: 'rd' };
  const rule = new Intl.PluralRules('en', { type: 'ordinal' }).select(value);
  return `${count(value)}${ending[/** @type {keyof typeof ending} */ (rule)] ?? 'th'}`;
}
