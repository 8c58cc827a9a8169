/** A process that may open 256 files, and 1,000 clients: load is shed with 503, then served again. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { get, ok, statusOf } from '../helpers/proxy/message.ts';
import type { Peer } from '../helpers/proxy/peer.ts';
import { askOnce, startBalancer } from '../helpers/proxy/process.ts';
import { FakeReplica } from '../helpers/proxy/replica.ts';
import { skipWithoutProc } from '../helpers/skip.ts';

const CLIENTS = 1000;

async function ask(port: number): Promise<{ readonly client: Peer; readonly status: number }> {
  const { client, answer } = await askOnce(port);
  return { client, status: answer === undefined ? 0 : statusOf(answer) };
}

test('with 256 descriptors 1,000 clients are served or rejected, then recover', {
  skip: skipWithoutProc,
}, async (t) => {
  const replica = await FakeReplica.open();
  t.after(() => replica.close());
  replica.serve(() => ok('hello'));
  // the hard limit too: Node raises the soft one to it
  const { port, pid, lines } = await startBalancer(t, { replicas: [replica], before: 'ulimit -n 256' });
  const first = await ask(port);
  assert.equal(first.status, 200);
  first.client.close();
  const before = readdirSync(`/proc/${pid}/fd`).length;

  const asked = await Promise.all(Array.from({ length: CLIENTS }, () => ask(port)));
  const count = (wanted: number): number => asked.filter(({ status }) => status === wanted).length;
  assert.equal(
    count(200) + count(503),
    CLIENTS,
    `${count(200)} × 200, ${count(503)} × 503, ${count(0)} × nothing`,
  );
  assert.ok(count(200) > 20, `${count(200)} served`);
  for (const { client, status } of asked) {
    if (status !== 200) continue;
    client.send(get('/again'));
    assert.equal((await client.response()).body, 'hello');
  }

  for (const { client } of asked) client.close();
  await eventually('no descriptor is kept', () => readdirSync(`/proc/${pid}/fd`).length <= before + 40);
  for (let again = 0; again < 20; again++) {
    const { client, status } = await ask(port);
    assert.equal(status, 200);
    client.close();
  }
  const said = lines().filter(({ msg }) => msg.includes('503'));
  assert.equal(said.length, 1, JSON.stringify(said));
  assert.deepEqual(
    lines().filter(({ level }) => level === 'error'),
    [],
  );
});
