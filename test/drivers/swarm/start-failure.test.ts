import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ServiceJson, TaskJson } from '../../../lib/drivers/swarm/mapper.ts';
import { startFailure } from '../../../lib/drivers/swarm/start-failure.ts';

const SERVICE: ServiceJson = {
  ID: 's',
  Version: { Index: 1 },
  CreatedAt: '1',
  Spec: {
    Name: 'S1',
    Labels: { 'ringlb.name': 'S1' },
    TaskTemplate: { ContainerSpec: { Image: 'app' } },
    Mode: {},
  },
} as unknown as ServiceJson;

/** What becomes of a start whose task waits for a node, by Swarm's words. */
function failureOf(words: string, waitedMs: number) {
  const status = { State: 'pending', Err: words };
  const task: TaskJson = { ID: 't', CreatedAt: '1', ServiceID: 's', DesiredState: 'running', Status: status };
  const observed = { services: [SERVICE], tasks: [task], nodes: new Map() };
  const failure = startFailure(SERVICE, observed, { waitedMs, limitMs: 60_000, isNew: true });
  return failure && [failure.code, failure.message];
}

describe('a task that no node takes', () => {
  it('fails the start soon where no node fits', () => {
    const words = 'no suitable node (scheduling constraints not satisfied on 3 nodes)';
    assert.equal(failureOf(words, 2000), undefined);
    assert.deepEqual(failureOf(words, 3000), [
      'start-failed',
      `No node fits S1: ${words}; see --constraints`,
    ]);
  });

  it('waits for nodes that have not reported to a new leader yet', () => {
    assert.equal(failureOf('no suitable node (3 nodes not available for new tasks)', 15_000), undefined);
    const mixed =
      'no suitable node (scheduling constraints not satisfied on 1 node; 2 nodes not available for new tasks)';
    assert.equal(failureOf(mixed, 15_000), undefined);
    assert.equal(failureOf(mixed, 20_000)?.[0], 'start-failed');
  });

  it('asks for another attempt where all nodes are away', () => {
    const words = 'no suitable node (3 nodes not available for new tasks)';
    assert.deepEqual(failureOf(words, 20_000), [
      'engine-unreachable',
      `No node of the Swarm takes tasks at the moment, which S1 waits for: ${words}; see "docker node ls"`,
    ]);
  });
});

describe('tasks whose image no node has', () => {
  const words = 'No such image: app:latest';
  const task = (at: number, state: string, more = ''): TaskJson => ({
    ...{
      ID: `t${at}`,
      CreatedAt: `${at}`,
      ServiceID: 's',
      DesiredState: state === 'rejected' ? 'shutdown' : 'ready',
    },
    Status: { State: state, Err: more },
  });
  const codeOf = (tasks: readonly TaskJson[], isNew = true) => {
    const observed = { services: [SERVICE], tasks, nodes: new Map() };
    return startFailure(SERVICE, observed, { waitedMs: 2000, limitMs: 60_000, isNew })?.code;
  };

  it('fail the start, though the next one is always there already', () => {
    const rejected = [task(1, 'rejected', words), task(2, 'rejected', words)];
    assert.equal(codeOf(rejected), 'image-missing');
    assert.equal(codeOf([...rejected, task(3, 'preparing')]), 'image-missing');
  });

  it('fail it not while another node is being tried for the first time, or has it', () => {
    const [first, second] = [task(1, 'rejected', words), task(2, 'rejected', words)];
    assert.equal(codeOf([first, task(2, 'preparing')]), undefined);
    assert.equal(codeOf([first, second, { ...task(3, 'running'), DesiredState: 'running' }]), undefined);
  });

  it('say nothing of a service that is healed later', () => {
    const rejected = [task(1, 'rejected', words), task(2, 'rejected', words)];
    assert.equal(codeOf([...rejected, task(3, 'preparing')], false), undefined);
  });
});
