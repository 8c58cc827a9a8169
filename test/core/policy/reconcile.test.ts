import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Desired, findFleet, type Observed, reconcile } from '../../../lib/core/policy/reconcile.ts';

const ROLES = [
  ['~', 'replaced'],
  ['-', 'removed'],
  ['+', 'next'],
] as const;

/** `S1=a`: the replica S1 with instance a in its place; `S1=` has none. */
function desiredOf(text: string): readonly Desired[] {
  return words(text).map((word) => {
    const [name = '', instanceId] = word.split('=');
    return { name, instanceId: instanceId || undefined };
  });
}

/** `S1=a`: a runs for S1. `!` behind it: dead; `~`: replaced; `-`: removed; `+`: next. `S1=a#4` carries the id 4, `S1=a@2` the generation 2. */
function observedOf(text: string): readonly (Observed & { readonly id: number })[] {
  return words(text).map((word) => {
    const [, name = '', instanceId = '', id, generation, marks = ''] =
      /^([^=]+)=(\w+)(?:#(\d+))?(?:@(\d+))?([!~+-]*)$/.exec(word) ?? [];
    return {
      name,
      instanceId,
      id: Number(id ?? name.slice(1)),
      status: marks.includes('!') ? 'dead' : 'running',
      role: ROLES.find(([mark]) => marks.includes(mark))?.[1] ?? 'current',
      ...(generation !== undefined && { generation: Number(generation) }),
    };
  });
}

const words = (text: string): readonly string[] => text.split(' ').filter(Boolean);
const NOBODY: ReadonlySet<string> = new Set();

/** Title, desired, observed, busy replicas, leaving instances, actions. */
const COMPARISONS: readonly (readonly [string, string, string, string, string, readonly string[]])[] = [
  ['all is well', 'S1=a S2=b', 'S1=a S2=b', '', '', []],
  ['there is nothing', '', '', '', '', []],
  ['an instance is gone', 'S1=a S2=b', 'S1=a', '', '', ['replace S2 b']],
  ['an instance is dead', 'S1=a', 'S1=a!', '', '', ['replace S1 a']],
  ['a replica has none', 'S1=', '', '', '', ['replace S1 undefined']],
  ['everything is gone', 'S1=a S2=b', '', '', '', ['replace S1 a', 'replace S2 b']],
  ['its keeper works on it', 'S1=a S2=', 'S1=a!', 'S1 S2', '', []],
  ['nobody desires a running one', '', 'S1=a', '', '', ['discard S1 a']],
  ['nobody desires a dead one', '', 'S1=a!', '', '', ['discard S1 a']],
  ['nobody desires one of a busy replica', 'S1=', 'S1=a', 'S1', '', []],
  ['one is leaving already', '', 'S1=a S2=b', '', 'a', ['discard S2 b']],
  ['a replaced one was left', 'S1=b', 'S1=a~ S1=b', '', '', ['discard S1 a']],
  ['a removed one was left', 'S1=b', 'S2=a- S1=b', '', '', ['discard S2 a']],
  ['there are two in a place', 'S1=b', 'S1=a S1=b', '', '', ['discard S1 a']],
  ['another stands in the place', 'S1=a', 'S1=b', '', '', ['replace S1 a', 'discard S1 b']],
  ['a wanted one was retired by hand', 'S1=a', 'S1=a~', '', '', []],
  ['a wanted one is leaving and gone', 'S1=a', '', '', 'a', ['replace S1 a']],
];

for (const [title, desired, observed, busy, leaving, actions] of COMPARISONS) {
  test(`reconcile, where ${title}`, () => {
    const got = reconcile(
      desiredOf(desired),
      observedOf(observed),
      new Set(words(busy)),
      new Set(words(leaving)),
    );
    assert.deepEqual(
      got.map(({ kind, name, instanceId }) => `${kind} ${name} ${instanceId}`),
      actions,
    );
  });
}

const NAME = fc.constantFrom('S1', 'S2', 'S3', 'S4');
const DESIRED = fc.uniqueArray(
  fc.record({ name: NAME, instance: fc.option(fc.nat(9), { nil: undefined }) }),
  {
    selector: ({ name }) => name,
  },
);
const OBSERVED = fc.uniqueArray(
  fc.record({
    name: NAME,
    instanceId: fc.nat(9).map((number) => `i${number}`),
    id: fc.integer({ min: 1, max: 4 }),
    status: fc.constantFrom<Observed['status']>('running', 'dead'),
    role: fc.constantFrom<Observed['role']>('current', 'next', 'replaced', 'removed'),
    generation: fc.integer({ min: 1, max: 3 }),
  }),
  { selector: ({ instanceId }) => instanceId },
);

test('once every action is done there is nothing left to do', () => {
  fc.assert(
    fc.property(DESIRED, OBSERVED, (drawn, observed) => {
      let desired: readonly Desired[] = drawn.map(({ name, instance }) => ({
        name,
        instanceId: instance === undefined ? undefined : `i${instance}`,
      }));
      let running: readonly Observed[] = observed;
      for (const { kind, name, instanceId } of reconcile(desired, observed, NOBODY, NOBODY)) {
        running = running.filter((one) => one.instanceId !== instanceId);
        if (kind === 'discard') continue;
        const heir = { name, instanceId: `new-${name}`, status: 'running', role: 'current' } as const;
        running = [...running, heir];
        desired = desired.map((one) => (one.name === name ? { name, instanceId: heir.instanceId } : one));
      }
      assert.deepEqual(reconcile(desired, running, NOBODY, NOBODY), []);
    }),
  );
});

test('the busy and the leaving are never touched', () => {
  const some = fc.subarray(['S1', 'S2', 'S3', 'S4']);
  const ids = fc.subarray(['i0', 'i1', 'i2', 'i3', 'i4', 'i5', 'i6', 'i7', 'i8', 'i9']);
  fc.assert(
    fc.property(DESIRED, OBSERVED, some, ids, (drawn, observed, busy, leaving) => {
      const desired = drawn.map(({ name }) => ({ name, instanceId: undefined }));
      for (const action of reconcile(desired, observed, new Set(busy), new Set(leaving))) {
        assert.ok(!busy.includes(action.name));
        if (action.kind === 'discard') assert.ok(!leaving.includes(action.instanceId));
      }
    }),
  );
});

/** Title, observed, places (`S1=a` running, `S1!a` dead, `S1` without), rest. */
const FOUND: readonly (readonly [string, string, string, string])[] = [
  ['nothing', '', '', ''],
  ['what runs, in the order of ids', 'S3=c S1=a S2=b', 'S1=a S2=b S3=c', ''],
  ['ids that do not follow the names', 'S1=a#3 S2=b#1', 'S2=b S1=a', ''],
  ['a dead one, which still has its place', 'S1=a! S2=b', 'S1!a S2=b', ''],
  ['one that was being replaced', 'S1=a~ S2=b', 'S1 S2=b', 'a'],
  ['one that was being replaced, dead', 'S1=a!~', 'S1', 'a'],
  ['a successor beside what it replaces', 'S1=a~ S1=b', 'S1=b', 'a'],
  ['a successor before what it replaces', 'S1=b S1=a~', 'S1=b', 'a'],
  ['a dead successor', 'S1=a~ S1=b!', 'S1!b', 'a'],
  ['a removed one, which has no place', 'S1=a- S2=b', 'S2=b', 'a'],
  ['a removed one beside a new one of its name', 'S1=a- S1=b', 'S1=b', 'a'],
  ['none that was removed while the one before it drained', 'S1=a@1~ S1=b@2- S2=c', 'S2=c', 'a b'],
  ['none that was removed after it was replaced in its release', 'S1=a~ S1=b-', '', 'a b'],
  ['one that was exchanged after another of its name was removed', 'S1=a@1- S1=b@2~', 'S1', 'b a'],
  ['one that is exchanged and whose name was removed before', 'S1=a@2- S1=b@2~ S1=c@3+', 'S1=c', 'b a'],
  ['two in one place', 'S1=a S1=b', 'S1=a', 'b'],
  ['a dead and a running one in one place', 'S1=a! S1=b', 'S1=b', 'a'],
  ['two that were being replaced', 'S1=a~ S1=b~', 'S1', 'a b'],
  ['a next one beside the current one', 'S1=a@1 S1=b@2+', 'S1=a', 'b'],
  ['a next one where the old one was retired', 'S1=a@1~ S1=b@2+', 'S1=b', 'a'],
  ['the old one where a next one has ended', 'S1=a@1~ S1=b@2!+', 'S1=a', 'b'],
  ['the old one where the new one has ended', 'S1=a@1~ S1=b@2!', 'S1=a', 'b'],
  ['the old one of two that were retired', 'S1=a@1~ S1=b@2~', 'S1=a', 'b'],
  ['neither of two that were retired in one release', 'S1=a@2~ S1=b@2~', 'S1', 'a b'],
  ['the new one of a finished exchange', 'S1=a@1~ S1=b@2', 'S1=b', 'a'],
];

for (const [title, observed, places, rest] of FOUND) {
  test(`findFleet finds ${title}`, () => {
    const found = findFleet(observedOf(observed));
    const text = found.places.map(
      ({ name, running, dead }) =>
        `${name}${running ? `=${running.instanceId}` : ''}${dead ? `!${dead.instanceId}` : ''}`,
    );
    assert.deepEqual(text, words(places));
    assert.deepEqual(
      found.rest.map(({ instanceId }) => instanceId),
      words(rest),
    );
  });
}

test('findFleet finds each name once, in any order of the list', () => {
  const lists = OBSERVED.chain((list) =>
    fc.tuple(
      fc.constant(list),
      fc.shuffledSubarray(list, { minLength: list.length, maxLength: list.length }),
    ),
  );
  fc.assert(
    fc.property(lists, ([list, shuffled]) => {
      const isLaterThanRemoved = ({ name, generation = 0 }: Observed) =>
        list.every(
          (one) => one.name !== name || one.role !== 'removed' || (one.generation ?? 0) < generation,
        );
      const isLeft = (one: Observed) =>
        one.role === 'current' ||
        (one.role === 'next' && one.status === 'running') ||
        (one.role === 'replaced' && isLaterThanRemoved(one));
      const names = new Set(list.filter(isLeft).map(({ name }) => name));
      for (const order of [list, shuffled]) {
        const { places } = findFleet(order);
        assert.deepEqual(places.map(({ name }) => name).sort(), [...names].sort());
      }
    }),
  );
});

test('findFleet accounts for every instance', () => {
  fc.assert(
    fc.property(OBSERVED, (list) => {
      const { places, rest } = findFleet(list);
      const found = [...places.flatMap(({ running, dead }) => [running, dead]), ...rest].filter(
        (one) => one !== undefined,
      );
      assert.deepEqual(
        found.map(({ instanceId }) => instanceId).sort(),
        list.map((one) => one.instanceId).sort(),
      );
    }),
  );
});
