import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { ServiceJson, TaskJson } from '../../../lib/drivers/swarm/mapper.ts';
import { type Observed, Roster } from '../../../lib/drivers/swarm/roster.ts';

const NETWORK = 'ringlb';

function service(name: string, labels: Readonly<Record<string, string>> = {}): ServiceJson {
  const Labels = { 'ringlb.name': name, 'ringlb.id': '1', 'ringlb.port': '5000', ...labels };
  const TaskTemplate = { ContainerSpec: { Image: 'app' } };
  return {
    ID: name,
    Version: { Index: 1 },
    CreatedAt: '1',
    Spec: { Name: name, Labels, TaskTemplate, Mode: {} },
  };
}

/** A task of the service `of`; the later ones have the greater numbers. */
function task(
  number: number,
  of: string,
  more: Partial<TaskJson> & { readonly state?: string } = {},
): TaskJson {
  const { state = 'running', ...rest } = more;
  return {
    ID: `t${number}`,
    CreatedAt: String(number),
    ServiceID: of,
    NodeID: 'n1',
    DesiredState: 'running',
    Status: { State: state },
    NetworksAttachments: [{ Network: { Spec: { Name: NETWORK } }, Addresses: ['10.0.1.7/24'] }],
    ...rest,
  };
}

const seen = (services: readonly ServiceJson[], tasks: readonly TaskJson[]): Observed => ({
  services,
  tasks,
  nodes: new Map(),
});

describe('the roster of a Swarm', () => {
  let roster: Roster;
  beforeEach(() => {
    roster = new Roster(() => NETWORK);
  });
  const shown = (observed: Observed) =>
    roster.instances(observed).map(({ instanceId, status, role }) => `${instanceId} ${status} ${role}`);
  const deaths = (observed: Observed) =>
    roster.hints(observed).flatMap((hint) => (hint.kind === 'died' ? [hint.instanceId] : []));

  it('adopts the newest task that runs', () => {
    const failed = task(3, 'S1', { state: 'failed' });
    assert.deepEqual(shown(seen([service('S1')], [task(1, 'S1'), task(2, 'S1'), failed])), [
      't2 running current',
    ]);
  });

  it('tells once of a task that has ended', () => {
    const running = seen([service('S1')], [task(1, 'S1')]);
    shown(running);
    roster.hints(running);
    const ended = seen([service('S1')], [task(1, 'S1', { state: 'failed' })]);
    assert.deepEqual(deaths(ended), ['t1']);
    shown(ended);
    assert.deepEqual(deaths(ended), []);
  });

  it('tells of an end that a list has shown before', () => {
    shown(seen([service('S1')], [task(1, 'S1')]));
    const ended = seen([service('S1')], [task(1, 'S1', { state: 'failed' })]);
    assert.deepEqual(shown(ended), ['t1 dead current']);
    assert.deepEqual(deaths(ended), ['t1']);
  });

  it('shows no other task before it was asked for', () => {
    shown(seen([service('S1')], [task(1, 'S1')]));
    const next = seen([service('S1')], [task(1, 'S1', { state: 'failed' }), task(2, 'S1')]);
    assert.deepEqual(shown(next), ['t1 dead current']);
    roster.place('S1', roster.findRunning(service('S1'), next)!, false);
    assert.deepEqual(shown(next), ['t2 running current']);
  });

  it('keeps a task that was placed while an older look was under way', () => {
    const begun = { ...seen([], []), version: roster.version };
    const running = seen([service('S1')], [task(1, 'S1')]);
    roster.place('S1', roster.findRunning(service('S1'), running)!, false);
    shown(begun);
    const next = seen([service('S1')], [task(1, 'S1', { state: 'failed' }), task(2, 'S1')]);
    assert.deepEqual([shown(next), deaths(next)], [['t1 dead current'], ['t1']]);
  });

  it("takes a cut-off node's running task for dead once Swarm does", () => {
    shown(seen([service('S1')], [task(1, 'S1')]));
    const cut = seen([service('S1')], [task(1, 'S1', { DesiredState: 'shutdown' })]);
    assert.deepEqual(deaths(cut), ['t1']);
  });

  it('does not take a task for another that had its address', () => {
    shown(seen([service('S1')], [task(1, 'S1')]));
    const zombie = task(1, 'S1', { DesiredState: 'shutdown' });
    const both = seen([service('S1'), service('S2')], [zombie, task(2, 'S2')]);
    assert.deepEqual(shown(both), ['t1 dead current', 't2 running current']);
  });

  it('does not give the task that hangs for another', () => {
    const observed = seen([service('S1')], [task(1, 'S1')]);
    assert.equal(roster.findRunning(service('S1'), observed, 't1'), undefined);
    assert.equal(roster.findRunning(service('S1'), observed)?.instanceId, 't1');
  });

  it('takes a gone service for removed, and tells of no death', () => {
    shown(seen([service('S1')], [task(1, 'S1')]));
    roster.hints(seen([service('S1')], [task(1, 'S1')]));
    const gone = seen([], []);
    assert.deepEqual(roster.hints(gone), [{ kind: 'changed', cause: 'services' }]);
    assert.deepEqual(shown(gone), []);
  });

  it('hints at changed labels, and at a task that now runs', () => {
    const preparing = seen([service('S1')], [task(1, 'S1', { state: 'preparing' })]);
    shown(preparing);
    roster.hints(preparing);
    assert.deepEqual(roster.hints(preparing), []);
    const running = seen([service('S1')], [task(1, 'S1')]);
    assert.equal(roster.hints(running).length, 1);
    const removed = seen([service('S1', { 'ringlb.role': 'removed' })], [task(1, 'S1')]);
    assert.equal(roster.hints(removed).length, 1);
  });

  it('tells a task that has not run yet from one that has ended', () => {
    const isStarting = (...states: readonly string[]) => {
      const tasks = states.map((state, index) => task(index + 1, 'S1', { state }));
      return roster.instances(seen([service('S1')], tasks))[0]?.isStarting;
    };
    assert.equal(isStarting('preparing'), true);
    assert.equal(isStarting('running'), undefined);
    assert.equal(isStarting('failed', 'preparing'), undefined);
  });

  it('shows a starting task as dead, and as running once started', () => {
    assert.deepEqual(shown(seen([service('S1')], [task(1, 'S1', { state: 'preparing' })])), [
      't1 dead current',
    ]);
    assert.deepEqual(shown(seen([service('S1')], [task(1, 'S1')])), ['t1 running current']);
  });

  it('puts in the place what runs where the first task never did', () => {
    assert.deepEqual(shown(seen([service('S1')], [])), ['S1 dead current']);
    const running = seen([service('S1')], [task(1, 'S1')]);
    assert.equal(roster.hints(running).length, 1);
    assert.deepEqual(shown(running), ['t1 running current']);
    assert.equal(roster.serviceOf('S1'), 'S1');
  });

  it('does not show what is being started', () => {
    roster.begin('S1');
    assert.deepEqual(shown(seen([service('S1')], [task(1, 'S1')])), []);
    roster.end('S1');
    assert.deepEqual(shown(seen([service('S1')], [task(1, 'S1')])), ['t1 running current']);
  });

  it('passes over a service whose labels name no place', () => {
    const strange = service('S1', { 'ringlb.id': 'x' });
    assert.deepEqual(shown(seen([strange], [task(1, 'S1')])), []);
  });

  it('is in transition while a place lacks its own running task', () => {
    const running = seen([service('S1')], [task(1, 'S1')]);
    shown(running);
    assert.equal(roster.isInTransition(running), false);
    assert.equal(roster.isInTransition(seen([service('S1')], [task(1, 'S1', { state: 'failed' })])), true);
    assert.equal(roster.isInTransition(seen([service('S1')], [task(1, 'S1'), task(2, 'S1')])), true);
  });
});
