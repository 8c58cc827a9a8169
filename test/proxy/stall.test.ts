/** Threads that stand still for longer than any time limit: what came meanwhile came in time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { get, ok, statusOf } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';

const STALL_MS = 600_000;

test('a connection that was accepted just before a stall is served after it', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve();
  const client = await rig.client();
  await eventually('the connection', () => rig.counts().threads.openClientConnections === 1);
  client.send(get('/'));
  rig.stall(STALL_MS);
  assert.equal(statusOf(await client.response()), 200);
});

test('a head of which half had come is read to its end after a stall', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve();
  const client = await rig.client();
  const [half, rest] = ['GET / HT', get('/').slice('GET / HT'.length)];
  client.send(half);
  await eventually('the half', () => rig.counts().threads.openClientConnections === 1);
  rig.stall(STALL_MS);
  client.send(rest);
  assert.equal(statusOf(await client.response()), 200);
});

test('an idle client sends its next request on the same connection after a stall', async (t) => {
  const rig = await Rig.open(t);
  rig.replica.serve();
  const client = await rig.client();
  client.send(get('/'));
  await client.response();
  rig.advance(500);
  rig.stall(STALL_MS);
  client.send(get('/next'));
  assert.equal(statusOf(await client.response()), 200);
});

test('a response that came during a stall reaches its client', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  await replica.request();
  rig.stall(STALL_MS);
  replica.send(ok('late'));
  assert.equal((await client.response()).body, 'late');
});

test('a connection to a replica counts as idle during a stall', async (t) => {
  const rig = await Rig.open(t);
  const client = await rig.client();
  client.send(get('/'));
  const replica = await rig.replica.next();
  await replica.request();
  replica.send(ok('first'));
  await client.response();
  await rig.settled();
  rig.stall(STALL_MS);
  await replica.over();
});
