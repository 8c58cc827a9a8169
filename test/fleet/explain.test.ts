import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ExplainQuestion } from '../../lib/api/types.ts';
import { hashKeyOf } from '../../lib/core/hashing/hash-key.ts';
import { ringPlacement } from '../../lib/core/hashing/ring.ts';
import { FleetRig, tokenFor } from '../helpers/fleet/rig.ts';

/** A request with these headers. */
function request(...rawHeaders: readonly string[]): ExplainQuestion {
  const id = rawHeaders[rawHeaders.indexOf('x-request-id') + 1];
  const requestId = rawHeaders.includes('x-request-id') ? id : undefined;
  return { facts: { url: '/x', rawHeaders, clientIp: '10.0.0.9' }, requestId };
}

/** A key that the replica owns. */
function keyOf(rig: FleetRig, name: string): string {
  for (let number = 0; ; number++)
    if (rig.view.explain({ key: `k${number}` }).owner === name) return `k${number}`;
}

describe('an explanation', () => {
  it('names the key, its hash, its slot and the owner', async () => {
    const rig = await FleetRig.of(3);
    const { successors, why, ...rest } = rig.view.explain(request('X-User', '42'));
    const hash = hashKeyOf('42', 'ring');
    const slot = ringPlacement(512, 40).slotOf(hash);
    const owner = rig.registry.findByOrdinal(rig.table.slots[slot]!)!.name;
    assert.deepEqual(rest, {
      key: '42',
      source: 'header:x-user',
      hash,
      hashHex: hash.toString(16).padStart(8, '0'),
      algorithm: 'ring',
      slot,
      slots: 512,
      owner,
      replica: owner,
      reason: 'owner',
      waiting: 0,
    });
    assert.equal(why, `${owner} owns it, with 0 in flight of 1 that it may have now`);
    assert.deepEqual(successors.map(({ name }) => name).toSorted(), ['S1', 'S2', 'S3']);
    assert.deepEqual(successors[0], {
      name: owner,
      state: 'healthy',
      draining: false,
      inFlight: 0,
      bound: 1,
      cap: 8,
      verdict: 'takes',
    });
  });

  it('is the same for a key and a request with it', async () => {
    const rig = await FleetRig.of(3);
    const { source, ...asked } = rig.view.explain({ key: '42' });
    assert.equal(source, 'given');
    assert.deepEqual({ ...asked, source: 'header:x-user' }, rig.view.explain(request('x-user', '42')));
  });

  it('falls back to the request id, or refuses without one', async () => {
    const rig = await FleetRig.of(2);
    const { key, source } = rig.view.explain(request('x-request-id', 'r1'));
    assert.deepEqual([key, source], ['r1', 'request-id']);
    assert.throws(() => rig.view.explain(request('accept', '*/*')), {
      code: 'bad-request',
      message:
        'Such a request has nothing of header:x-user, so it is placed by an id made for it alone; add header.x-request-id, or ask for a key',
    });
  });

  it('needs the client address where requests are placed by it', async () => {
    const rig = await FleetRig.of(2, { hashKey: [{ kind: 'client-ip' }, { kind: 'path' }] });
    assert.throws(
      () => rig.view.explain({ facts: { url: '/x', rawHeaders: [], clientIp: '' }, requestId: 'r' }),
      {
        code: 'bad-request',
        message: 'Requests are placed by client-ip here: say which client-ip it has',
      },
    );
    assert.equal(rig.view.explain(request()).key, '10.0.0.9');
    const path = await FleetRig.of(2, { hashKey: [{ kind: 'path' }, { kind: 'client-ip' }] });
    const question = { facts: { url: '/x', rawHeaders: [], clientIp: '' }, requestId: undefined };
    assert.equal(path.view.explain(question).source, 'path');
  });

  it('names who takes it while the owner is down, and why', async () => {
    const rig = await FleetRig.of(3);
    const key = keyOf(rig, 'S2');
    rig.driver.isLost = true;
    rig.driver.die(rig.instanceOf('S2'), 'SIGKILL');
    const { owner, replica, reason, why, successors } = rig.view.explain({ key });
    assert.deepEqual([owner, reason, successors[0]?.verdict], ['S2', 'owner-not-eligible', 'not-eligible']);
    assert.equal(replica, successors[1]?.name);
    assert.equal(why, `S2 owns it, but is starting; ${replica} is the first after it that can take it`);
  });

  it('says of a drained owner that it is drained', async () => {
    const rig = await FleetRig.of(3);
    const key = keyOf(rig, 'S2');
    await rig.view.drain(['S2']);
    const { why, successors } = rig.view.explain({ key });
    assert.match(why, /^S2 owns it, but is drained;/);
    assert.deepEqual([successors[0]?.state, successors[0]?.draining], ['healthy', true]);
  });

  it('names who takes it while the owner is over its bound', async () => {
    const rig = await FleetRig.of(3);
    const key = keyOf(rig, 'S3');
    rig.load('S3', 4);
    const { reason, why, replica, successors } = rig.view.explain({ key });
    assert.equal(reason, 'owner-over-bound');
    assert.equal(
      why,
      `S3 owns it, with 4 in flight where the load bound allows 3; ${replica} is the first after it that can take it`,
    );
    assert.deepEqual([successors[0]?.inFlight, successors[0]?.verdict], [4, 'over-bound']);
  });

  it('shows no bound below the load floor', async () => {
    const rig = await FleetRig.of(3, { loadFloor: 5 });
    const key = keyOf(rig, 'S3');
    rig.load('S3', 4);
    const below = rig.view.explain({ key });
    assert.deepEqual([below.replica, below.reason, below.successors[0]?.bound], ['S3', 'owner', 5]);
    rig.load('S3', 1);
    const above = rig.view.explain({ key });
    assert.deepEqual([above.reason, above.successors[0]?.bound], ['owner-over-bound', 5]);
  });

  it('says that it would wait where nobody may have more', async () => {
    const rig = await FleetRig.of(2);
    rig.load('S1', 8);
    rig.load('S2', 8);
    rig.threadTable.queue.countWaiting(9);
    const { replica, why, waiting } = rig.view.explain({ key: 'k' });
    assert.deepEqual([replica, waiting], [null, 1]);
    assert.equal(
      why,
      'Every eligible replica has as much in flight as it may have, 8: it would wait; requests that wait already and go first: 1',
    );
  });

  it('says that there is no replica', async () => {
    const rig = await FleetRig.of(0);
    const { owner, replica, why, successors } = rig.view.explain({ key: 'k' });
    assert.deepEqual([owner, replica, successors], [null, null, []]);
    assert.equal(why, 'There is no replica: it would wait');
  });

  it('names the two between which a keyless request goes by load', async () => {
    const rig = await FleetRig.of(3, { balance: 'p2c' });
    rig.load('S1', 5);
    rig.load('S2', 5);
    rig.load('S3', 5);
    const { source, hash, slot, owner, replica, reason, why, successors } = rig.view.explain({ key: 'k' });
    assert.deepEqual([source, hash, slot, owner, reason], ['p2c', null, null, null, 'p2c']);
    assert.deepEqual(
      successors.map(({ verdict }) => verdict),
      ['takes', 'next'],
    );
    assert.equal(replica, successors[0]?.name);
    assert.equal(
      why,
      `It has no key: of two replicas at random, ${replica} with 5 and ${successors[1]?.name} with 5, the one with less in flight takes it`,
    );
  });

  it('says which of the two is slow', async () => {
    const rig = await FleetRig.of(2, { balance: 'p2c' });
    rig.table.setSpeed(rig.registry.find('S1')!.ordinal, 0.1);
    rig.load('S2', 3);
    const { why } = rig.view.explain({ key: 'k' });
    assert.equal(
      why,
      'It has no key: of two replicas at random, S2 with 3 and S1 with 0 at 10 % of the speed, the one with less in flight for its speed takes it',
    );
  });

  it('says which replica has least in flight', async () => {
    const rig = await FleetRig.of(3, { balance: 'least' });
    rig.load('S1', 2);
    rig.load('S3', 2);
    const { source, replica, why } = rig.view.explain(request('x-user', '1'));
    assert.deepEqual([source, replica], ['least', 'S2']);
    assert.equal(why, 'It has no key: S2, with 0 in flight, has least of all');
  });

  it('follows the sticky cookie', async () => {
    const rig = await FleetRig.of(3, { sticky: 'lb' });
    rig.load('S2', 5);
    const cookie = `a=b; lb=${tokenFor('S2')}`;
    const asked = rig.view.explain(request('cookie', cookie, 'x-user', '42'));
    const { key, source, slot, owner, replica, reason, why, successors } = asked;
    assert.deepEqual([key, source, slot, owner], [tokenFor('S2'), 'sticky:lb', null, null]);
    assert.deepEqual([replica, reason], ['S2', 'sticky']);
    assert.equal(why, 'Its cookie names S2, with 5 in flight of 8 that it may have');
    assert.deepEqual(
      successors.map(({ name, verdict }) => [name, verdict]),
      [['S2', 'takes']],
    );
  });

  it('says why a sticky cookie does not count', async () => {
    const rig = await FleetRig.of(3, { sticky: 'lb' });
    const whyOf = (token: string): string =>
      rig.view.explain(request('cookie', `lb=${token}`, 'x-user', '42')).why;
    assert.match(whyOf(tokenFor('S9')), /^Its cookie names no replica\. S\d owns it/);
    const malformed =
      /^Its cookie lb counts as none: it comes twice, or has no value that a balancer gives\. S\d owns it/;
    assert.match(whyOf('short'), malformed);
    assert.match(whyOf(`${tokenFor('S1')}; lb=${tokenFor('S1')}`), malformed);
    rig.load('S2', 8);
    assert.match(whyOf(tokenFor('S2')), /^Its cookie names S2, which is full\. S\d owns it/);
    rig.registry.states.set(rig.registry.find('S1')!, 'unhealthy', 'test');
    assert.match(whyOf(tokenFor('S1')), /^Its cookie names S1, which is unhealthy\. S\d owns it/);
  });

  it('says so too where the request has nothing else to be placed by', async () => {
    const rig = await FleetRig.of(3, { sticky: 'lb' });
    const ask = (token: string) => () => rig.view.explain(request('cookie', `lb=${token}`));
    assert.throws(ask(tokenFor('S9')), {
      code: 'bad-request',
      message: /^Its cookie names no replica\. Such a request has nothing of header:x-user, /,
    });
    assert.throws(ask('short'), {
      message: /^Its cookie lb counts as none: .*\. Such a request has nothing/,
    });
  });

  it('counts nothing in flight', async () => {
    const rig = await FleetRig.of(2);
    for (let count = 0; count < 20; count++) rig.view.explain({ key: `k${count}` });
    assert.equal(rig.table.totalInFlight, 0);
  });
});
