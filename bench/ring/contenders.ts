/**
 * What is measured: the balancer's own placements and the rings on npm, with one face. Each has 160 points a replica
 * where it has points; the classic ring has its 9, and as many more slots as a larger fleet needs. A lookup here is
 * all that it takes in the product: hash, slot, owner.
 */
import ConsistentHash from 'consistent-hash';
import HashRing from 'hashring';
import { hashBytes, hashText, mix32 } from '../../lib/core/hashing/hash.ts';
import {
  createPlacement,
  DEFAULT_SLOTS,
  DEFAULT_VNODES,
  defaultSlots,
} from '../../lib/core/hashing/placement.ts';
import type { Algorithm } from '../../lib/core/hashing/slot-table.ts';
import type { RequestIds } from '../../lib/proxy/headers/request-ids.ts';

/** The same keys as strings, and as bytes one behind the other: each from its place in `starts` to the next. */
export interface Keys {
  readonly texts: readonly string[];
  readonly bytes: DataView;
  readonly starts: Uint32Array;
}

/** A ring of replicas 0 to n − 1. `remove` and `add` leave it ready for the next lookup. */
export interface Fleet {
  /** Looks up every key; a sum over the owners, so that no lookup can be left out as unused. */
  lookUp(keys: Keys): number;
  readonly own?: OwnLookups;
  ownerOf(key: string): number;
  remove(replica: number): void;
  add(replica: number): void;
  /** What the lookups read, where it is known exactly. */
  readonly tableBytes?: number;
}

/** What the balancer looks up beside bytes, and no package on npm does. */
export interface OwnLookups {
  /** As keys are on connections that Node's parser has. */
  lookUpTexts(texts: readonly string[]): number;
  /** Makes so many ids for requests that bring none, and looks each up. */
  lookUpIds(ids: RequestIds, count: number): number;
  lookUpNumbers(numbers: Uint32Array): number;
}

export interface Contender {
  readonly name: string;
  /** What it is given for a fleet of this size. */
  setting(replicas: number): string;
  create(replicas: number): Fleet;
}

const VNODES = DEFAULT_VNODES.ring;
const nameOf = (replica: number) => `S${replica + 1}`;
const upTo = (count: number) => Array.from({ length: count }, (_, replica) => replica);

/** Slots of the classic ring, a power of two: 512, and more for more than 56 replicas, filled by half. */
function classicSlots(replicas: number): number {
  const vnodes = replicas * DEFAULT_VNODES.classic;
  return vnodes <= DEFAULT_SLOTS.classic ? DEFAULT_SLOTS.classic : 2 ** Math.ceil(Math.log2(vnodes * 2));
}

function placementFleet(algorithm: Algorithm, slots: number, replicas: number): Fleet {
  const placement = createPlacement({ algorithm, slots, vnodes: 0 });
  const table = new Uint16Array(placement.slots);
  const members = upTo(replicas).map((ordinal) => ({ name: nameOf(ordinal), id: ordinal + 1, ordinal }));
  placement.build(members, table);
  const hashOf = algorithm === 'classic' ? (requestId: number) => requestId : mix32;
  return {
    lookUp({ bytes, starts }) {
      let sum = 0;
      for (let i = 1; i < starts.length; i++)
        sum += table[placement.slotOf(hashBytes(bytes, starts[i - 1]!, starts[i]!))]!;
      return sum;
    },
    own: {
      lookUpTexts(texts) {
        let sum = 0;
        for (let i = 0; i < texts.length; i++) sum += table[placement.slotOf(hashText(texts[i]!))]!;
        return sum;
      },
      lookUpIds(ids, count) {
        let sum = 0;
        for (let i = 0; i < count; i++) {
          ids.next();
          sum += table[placement.slotOf(ids.hashOfLast())]!;
        }
        return sum;
      },
      lookUpNumbers(numbers) {
        let sum = 0;
        for (let i = 0; i < numbers.length; i++) sum += table[placement.slotOf(hashOf(numbers[i]!))]!;
        return sum;
      },
    },
    ownerOf: (key) => table[placement.slotOf(hashText(key))]!,
    remove(replica) {
      const others = members.filter(({ ordinal }) => ordinal !== replica);
      placement.build(others, table);
    },
    add: () => placement.build(members, table),
    tableBytes: table.byteLength,
  };
}

function hashringFleet(replicas: number): Fleet {
  const ring = new HashRing(upTo(replicas).map(nameOf));
  return {
    lookUp({ texts }) {
      let sum = 0;
      for (let i = 0; i < texts.length; i++) sum += ring.get(texts[i]!).length;
      return sum;
    },
    ownerOf: (key) => Number(ring.get(key).slice(1)) - 1,
    remove: (replica) => ring.remove(nameOf(replica)),
    add: (replica) => ring.add(nameOf(replica)),
  };
}

/** Its range of points is 100,003, too few for 1,000 replicas of 160; then it gets the next that it names. */
const consistentHashRange = (replicas: number) => (replicas * VNODES < 50_000 ? 100_003 : 1_000_003);

function consistentHashFleet(replicas: number): Fleet {
  const ring = new ConsistentHash<number>({ range: consistentHashRange(replicas), controlPoints: VNODES });
  for (const replica of upTo(replicas)) ring.add(replica);
  // It sorts its points in the first lookup after a change.
  const settle = () => ring.get('');
  settle();
  return {
    lookUp({ texts }) {
      let sum = 0;
      for (let i = 0; i < texts.length; i++) sum += ring.get(texts[i]!);
      return sum;
    },
    ownerOf: (key) => ring.get(key),
    remove(replica) {
      ring.remove(replica);
      settle();
    },
    add(replica) {
      ring.add(replica);
      settle();
    },
  };
}

const figures = new Intl.NumberFormat('en').format;

export const CONTENDERS: readonly Contender[] = [
  {
    name: 'maglev',
    setting: () => `${figures(DEFAULT_SLOTS.maglev)} slots`,
    create: (replicas) => placementFleet('maglev', 0, replicas),
  },
  {
    name: 'rendezvous',
    setting: (replicas) => `${figures(defaultSlots('rendezvous', replicas))} slots`,
    create: (replicas) => placementFleet('rendezvous', defaultSlots('rendezvous', replicas), replicas),
  },
  {
    name: 'ring',
    setting: () => `${figures(DEFAULT_SLOTS.ring)} slots, ${VNODES} vnodes`,
    create: (replicas) => placementFleet('ring', 0, replicas),
  },
  {
    name: 'classic',
    setting: (replicas) => `${figures(classicSlots(replicas))} slots, ${DEFAULT_VNODES.classic} vnodes`,
    create: (replicas) => placementFleet('classic', classicSlots(replicas), replicas),
  },
  {
    name: 'npm hashring',
    setting: () => `md5, ${VNODES} points`,
    create: hashringFleet,
  },
  {
    name: 'npm consistent-hash',
    setting: (replicas) => `${figures(consistentHashRange(replicas))} places, ${VNODES} points`,
    create: consistentHashFleet,
  },
];
