import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failureOf, get, ok, post, statusOf } from '../helpers/proxy/message.ts';
import type { Peer } from '../helpers/proxy/peer.ts';
import { Rig, type RigSettings } from '../helpers/proxy/rig.ts';

/** Replicas that close on `/boom`, each time, and serve all else. */
async function openRig(t: Parameters<typeof Rig.open>[0], settings: RigSettings = {}): Promise<Rig> {
  const rig = await Rig.open(t, { replicas: 5, retries: 4, retryBudget: 1, ...settings });
  for (const replica of rig.replicas)
    replica.serve((request, peer) => {
      if (!request.startLine.includes('/boom')) return ok('hello');
      peer.close();
      return undefined;
    });
  return rig;
}

async function askFor(client: Peer, request: string): Promise<{ status: number; message: string }> {
  client.send(request);
  const response = await client.response();
  const status = statusOf(response);
  return { status, message: status === 200 ? '' : failureOf(response) };
}

const deaths = (rig: Rig): number =>
  rig.replicas.filter(({ requests }) => requests.some(({ startLine }) => startLine.includes('/boom'))).length;

test('a request that lost two instances gets no third', async (t) => {
  const rig = await openRig(t);
  const asked: (readonly number[])[] = [];
  rig.judge = (generations) => {
    asked.push(generations);
    return true;
  };
  const { status, message } = await askFor(await rig.client(), get('/boom?now', 'X-Request-Id: it\r\n'));
  assert.equal(status, 502);
  assert.match(message, /ended while they worked on this request/);
  assert.equal(deaths(rig), 2);
  assert.equal(asked.length, 1);
  assert.deepEqual(
    rig.losses.map(({ generation }) => generation),
    asked[0],
  );
  const known = { method: 'GET', path: '/boom', id: 'it' };
  assert.deepEqual(
    rig.losses.map(({ generation: _, ...loss }) => loss),
    [known, known],
  );
  assert.deepEqual(rig.settlements, [{ ...known, isServed: false }]);
  await rig.settled();
});

test('a request whose connections merely closed is given to the next', async (t) => {
  const rig = await openRig(t);
  let asked = 0;
  rig.judge = () => {
    asked++;
    return false;
  };
  assert.equal((await askFor(await rig.client(), get('/boom'))).status, 502);
  assert.equal(deaths(rig), 5);
  // with two, three and four that closed; after the fifth there is no retry left
  assert.equal(asked, 3);
  await rig.settled();
});

test('request goes on without a verdict, and ends with its client', async (t) => {
  const rig = await openRig(t);
  rig.judge = () => 'never';
  const client = await rig.client();
  client.send(get('/boom'));
  assert.equal(statusOf(await rig.elapse(client.response())), 502);
  assert.equal(deaths(rig), 5);
  const leaver = await rig.client();
  leaver.send(get('/boom'));
  leaver.close();
  await rig.settled();
});

test('a poisonous kind of request is not repeated, whatever its query', async (t) => {
  const rig = await openRig(t);
  for (const thread of rig.threads) thread.verdicts.setPoison(['GET /boom']);
  const { status, message } = await askFor(await rig.client(), get('/boom?1'));
  assert.equal(status, 502);
  assert.match(message, /ended while they worked on this request/);
  assert.equal(deaths(rig), 1);
  const other = `HEAD /boom HTTP/1.1\r\nHost: a\r\n\r\n`;
  rig.judge = () => true;
  const client = await rig.client();
  client.send(other);
  await client.response(true);
  assert.equal(rig.losses.filter(({ method }) => method === 'HEAD').length, 2);
  for (const thread of rig.threads) thread.verdicts.setPoison([]);
  await askFor(await rig.client(), get('/boom'));
  assert.equal(rig.losses.filter(({ method }) => method === 'GET').length, 3);
});

test('only a request that lost an instance is reported as settled', async (t) => {
  const rig = await openRig(t, { replicas: 2 });
  rig.replicas[0]!.serve((_request, peer) => {
    peer.close();
    return undefined;
  });
  const client = await rig.client();
  assert.equal((await askFor(client, get('/a', rig.ownedBy(0)))).status, 200);
  assert.equal((await askFor(client, get('/a', rig.ownedBy(1)))).status, 200);
  assert.deepEqual(
    rig.settlements.map(({ path, isServed }) => ({ path, isServed })),
    [{ path: '/a', isServed: true }],
  );
  assert.equal(rig.losses.length, 1);
});

test('loss is reported for a request that is not repeated too', async (t) => {
  const rig = await openRig(t);
  assert.equal((await askFor(await rig.client(), post('/boom', 'x'))).status, 502);
  assert.deepEqual(
    rig.losses.map(({ method }) => method),
    ['POST'],
  );
  assert.deepEqual(
    rig.settlements.map(({ isServed }) => isServed),
    [false],
  );
});

test('an instance lost with a reused connection is reported once', async (t) => {
  const rig = await openRig(t, { replicas: 1 });
  const client = await rig.client();
  assert.equal((await askFor(client, get('/'))).status, 200);
  client.send(get('/boom'));
  assert.equal(statusOf(await rig.elapse(client.response())), 502);
  assert.equal(rig.replica.connections.length, 2);
  assert.equal(rig.losses.length, 1);
});

test('over servers that others run nothing is judged', async (t) => {
  const rig = await openRig(t, { ownsInstances: false });
  rig.judge = () => assert.fail('asked');
  assert.equal((await askFor(await rig.client(), get('/boom'))).status, 502);
  assert.equal(deaths(rig), 5);
  assert.deepEqual(rig.losses, []);
});
