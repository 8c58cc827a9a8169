/**
 * Whatever is added, removed, killed, hung or lost, in whatever order and however slow the engine is: once things
 * settle, the replicas on the ring, the owners of its slots and what the engine runs are the same.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isBalancerError } from '../../lib/platform/errors.ts';
import type { Gate } from '../helpers/fleet/fake-driver.ts';
import { FleetRig, settle } from '../helpers/fleet/rig.ts';

const NAMES = ['S1', 'S2', 'S3', 'S4', 'a', 'b'] as const;
const CALLS = ['list', 'start', 'retire', 'remove'] as const;

type Step =
  | { readonly kind: 'add' | 'remove'; readonly count: number; readonly names: readonly string[] }
  | { readonly kind: 'die'; readonly at: number; readonly cause: string; readonly isHeard: boolean }
  | { readonly kind: 'hang' | 'vanish'; readonly at: number }
  | { readonly kind: 'hold' | 'open' | 'fail'; readonly call: (typeof CALLS)[number] }
  | { readonly kind: 'stranger' | 'still'; readonly name: string }
  | { readonly kind: 'lose' | 'find' | 'look' }
  | { readonly kind: 'load'; readonly at: number }
  | { readonly kind: 'wait'; readonly ms: number };

const at = fc.nat(20);
const call = fc.constantFrom(...CALLS);
const change = (kind: 'add' | 'remove'): fc.Arbitrary<Step> =>
  fc
    .record({
      count: fc.integer({ min: 1, max: 3 }),
      names: fc.uniqueArray(fc.constantFrom(...NAMES), { maxLength: 2 }),
    })
    .map(({ count, names }) => ({ kind, count: Math.max(count, names.length), names }));

const STEP: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: change('add') },
  { weight: 3, arbitrary: change('remove') },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('die' as const),
      at,
      cause: fc.constantFrom('SIGKILL', 'exit 1'),
      isHeard: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('hang' as const, 'vanish' as const),
      at,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom('hold' as const, 'open' as const, 'fail' as const), call }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('stranger' as const, 'still' as const),
      name: fc.constantFrom('S5', 'a'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('lose' as const, 'find' as const, 'look' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('load' as const), at }) },
  { weight: 6, arbitrary: fc.constantFrom(0, 5, 30, 600, 7000).map((ms) => ({ kind: 'wait' as const, ms })) },
);

/** A fleet to which steps are done, and what its callers were told. */
class Run {
  readonly rig: FleetRig;
  readonly #gates = new Map<string, Gate>();
  readonly #calls: Promise<void>[] = [];
  /** Names that were added and removed, by calls that succeeded. */
  readonly #told = new Map<string, number>();

  constructor(rig: FleetRig) {
    this.rig = rig;
    for (const name of rig.scaling.names()) this.#told.set(name, 1);
  }

  async do(step: Step): Promise<void> {
    const { driver } = this.rig;
    switch (step.kind) {
      case 'add':
      case 'remove':
        return this.#change(step.kind, step.count, step.names);
      case 'wait':
        return this.rig.advance(step.ms, 10);
      case 'die':
        return this.#one(step.at, (id) =>
          step.isHeard ? driver.die(id, step.cause) : driver.dieUnheard(id, step.cause),
        );
      case 'vanish':
        return this.#one(step.at, (id) => driver.instances.delete(id));
      case 'hang':
        return this.#one(step.at, (id) => this.rig.hung.add(driver.instances.get(id)?.endpoint?.port ?? 0));
      case 'hold':
        if (!this.#gates.has(step.call)) this.#gates.set(step.call, driver.hold(step.call));
        return;
      case 'open':
        this.#gates.get(step.call)?.open();
        this.#gates.delete(step.call);
        return;
      case 'fail':
        return driver.failNext(step.call, step.call === 'start' ? 'start-failed' : 'engine-unreachable');
      default:
        return this.#rest(step);
    }
  }

  #rest(
    step: Exclude<Step, { readonly call: string } | { readonly at: number; readonly kind: 'die' }>,
  ): void {
    const { driver } = this.rig;
    // where one takes the name of a replica of ours that is just being replaced, nobody can heal that
    if (step.kind === 'stranger' && this.rig.registry.find(step.name) === undefined)
      driver.strangers.add(step.name);
    if (step.kind === 'still') driver.stillborn.add(step.name);
    if (step.kind === 'lose') driver.isLost = true;
    if (step.kind === 'find') driver.isLost = false;
    if (step.kind === 'look') driver.hint({ kind: 'changed', cause: 'a test' });
    if (step.kind === 'load') {
      const { members } = this.rig.registry;
      if (members.length > 0) this.rig.threadTable.acquire(members[step.at % members.length]!.ordinal, 99);
    }
  }

  /** Does it to one of the instances there are. */
  #one(index: number, act: (instanceId: string) => void): void {
    const ids = [...this.rig.driver.instances.keys()];
    if (ids.length > 0) act(ids[index % ids.length]!);
  }

  #change(kind: 'add' | 'remove', count: number, names: readonly string[]): void {
    const before = this.rig.scaling.names();
    const done = (answer: readonly string[]): void => {
      if (kind === 'remove') for (const name of before) if (!answer.includes(name)) this.#count(name, -1);
      if (kind === 'add') for (const name of answer.slice(-count)) this.#count(name, 1);
    };
    const failed = (error: unknown): void => {
      if (!isBalancerError(error)) throw error;
    };
    // a removal decides before it returns; an addition is told apart by its names, the last to join
    this.#calls.push(this.rig.scaling[kind](count, names).then(done, failed));
  }

  #count(name: string, by: number): void {
    this.#told.set(name, (this.#told.get(name) ?? 0) + by);
  }

  /** Nothing is slow, lost or broken any more, and time goes on until nothing can be left to happen. */
  async settle(): Promise<void> {
    const { rig } = this;
    rig.driver.mend();
    for (const gate of this.#gates.values()) gate.open();
    await rig.advance(130_000, 250);
    await Promise.all(this.#calls);
    await settle();
  }

  /** The names that the answers of all calls leave. */
  get told(): readonly string[] {
    return [...this.#told]
      .filter(([, count]) => count > 0)
      .map(([name]) => name)
      .sort();
  }
}

function assertSettled({ rig, told }: Run): void {
  const names = rig.scaling.names();
  assert.deepEqual([...names].sort(), told, 'the answers tell who is there');
  assert.deepEqual(rig.driver.current, [...names].sort(), 'the engine runs one instance of each');
  assert.deepEqual(
    [...rig.driver.instances.values()].map(({ name, status, role }) => `${name} ${status} ${role}`).sort(),
    names.map((name) => `${name} running current`).sort(),
    'the engine has nothing else of ours',
  );
  assert.deepEqual(rig.owners, names.length === 0 ? ['nobody 65535'] : [...names].sort(), 'each owns slots');
  assert.deepEqual(
    rig.registry.replicas.map(({ name, state, joined }) => `${name} ${state} ${joined}`).sort(),
    names.map((name) => `${name} healthy true`).sort(),
    'each is healthy and on the ring',
  );
  assert.equal(rig.table.eligible, names.length);
  assert.deepEqual(rig.registry.leaving, []);
  assert.deepEqual([...rig.launcher.busy, ...rig.launcher.instances.beingRemoved], []);
  assert.equal(new Set(rig.registry.members.map(({ id }) => id)).size, names.length);
  assert.deepEqual(
    rig.records.map(({ name, endpoint }) => `${name} ${endpoint.port}`).sort(),
    rig.registry.members.map(({ name, instance }) => `${name} ${instance?.endpoint?.port}`).sort(),
  );
}

describe('a fleet to which anything happens', () => {
  it('settles: ring, owners, engine and responses agree', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(STEP, { minLength: 1, maxLength: 25 }), async (steps) => {
        const run = new Run(await FleetRig.of(3, { maxReplicas: 8, ordinals: 24 }));
        for (const step of steps) {
          await run.do(step);
          if (step.kind !== 'wait') await Promise.resolve();
        }
        await run.settle();
        assertSettled(run);
        await run.rig.supervisor.close(false);
        assert.equal(run.rig.driver.instances.size, 0, 'closing leaves nothing');
      }),
      { numRuns: Number(process.env.FLEET_RUNS ?? 60), interruptAfterTimeLimit: 60_000 },
    );
  });
});
