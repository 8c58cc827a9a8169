import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';

/** An application that ends on `/boom` and works for a moment on everything else but its probes. */
const APPLICATION = `
  require('node:http').createServer((request, response) => {
    if (request.url.startsWith('/boom')) process.exit(1);
    const ms = request.url === '/heartbeat' ? 0 : 300;
    setTimeout(() => response.end('served'), ms);
  }).listen(Number(process.env.PORT), '127.0.0.1');
`;
const COMMAND = ['--command', `exec ${process.execPath} -e "$APPLICATION"`];

interface Event {
  readonly kind: string;
  readonly replica: string | null;
  readonly cause: string | null;
}

function start(t: { after(run: () => unknown): void }, options: string): Promise<Balancer> {
  const balancer = Balancer.ready(`--driver process ${options}`, COMMAND, { env: { APPLICATION } });
  t.after(async () => (await balancer).stop());
  return balancer;
}

async function events(balancer: Balancer, kind: string): Promise<readonly Event[]> {
  const { body } = await balancer.askAdmin('GET', '/events');
  return (JSON.parse(body) as { message: { events: readonly Event[] } }).message.events.filter(
    (event) => event.kind === kind,
  );
}

/** Instances that have ended and were replaced. */
async function ends(balancer: Balancer): Promise<number> {
  return (await balancer.replicas()).reduce((sum, { restarts }) => sum + restarts, 0);
}

test('a crashing request ends two instances, the next one', async (t) => {
  const balancer = await start(t, '--replicas 24 --workers 2 --retry-budget 100%');
  const first = await balancer.ask('GET', '/boom?1', { headers: { 'x-request-id': 'the-first' } });
  assert.equal(first.status, 502);
  assert.match(first.body, /ended while they worked on this request/);
  const died = await eventually('two ends', async () => {
    const all = await events(balancer, 'died');
    return all.length >= 2 && all;
  });
  const [poison, ...more] = await eventually('the event', async () => {
    const all = await events(balancer, 'poison');
    return all.length > 0 && all;
  });
  assert.deepEqual(more, []);
  assert.match(poison!.cause ?? '', /^GET \/boom was on .* when they ended; requests the-first$/);
  for (const { replica } of died) assert.ok(poison!.cause?.includes(replica!), poison!.cause ?? '');
  // one after the other, so that each meets a fleet that knows
  for (let number = 2; number <= 8; number++)
    assert.equal((await balancer.ask('GET', `/boom?${number}`)).status, 502);
  await balancer.untilHealthy(24);
  // one that reaches an instance just as it ends, by the one before, ends no other
  const ended = await ends(balancer);
  assert.ok(ended > 2 && ended <= 9, `${ended} instances ended`);
  assert.equal((await events(balancer, 'poison')).length, 1);
  assert.equal((await balancer.ask('GET', '/home')).body, 'served');
});

test('eight crashing requests at once end at most two instances each', async (t) => {
  const balancer = await start(t, '--replicas 24 --workers 2 --retry-budget 100%');
  const booms = Array.from({ length: 8 }, (_, number) => balancer.ask('GET', `/boom?${number}`));
  const homes = Array.from({ length: 20 }, () => balancer.ask('GET', '/home'));
  for (const { status } of await Promise.all(booms)) assert.equal(status, 502);
  await Promise.all(homes);
  await balancer.untilHealthy(24);
  const ended = await ends(balancer);
  assert.ok(ended <= 16, `${ended} instances ended`);
});

test('requests in flight at three kill -9 are all served', async (t) => {
  const balancer = await start(t, '--replicas 4 --workers 2 --retry-budget 100%');
  for (const name of ['S1', 'S2', 'S3']) {
    const homes = Array.from({ length: 20 }, () => balancer.ask('GET', '/home'));
    const pid = await balancer.pidOf(name);
    await eventually('requests in flight', async () => (await balancer.replica(name)).inFlight > 0);
    process.kill(pid, 'SIGKILL');
    for (const { status, body } of await Promise.all(homes)) assert.equal(`${status} ${body}`, '200 served');
    await balancer.untilHealthy(4);
  }
  assert.equal(await ends(balancer), 3);
  assert.deepEqual(await events(balancer, 'poison'), []);
});

test('other requests of a crashing path are served and retried', async (t) => {
  const balancer = await start(t, '--replicas 8 --workers 2 --retry-budget 100%');
  for (let number = 0; number < 3; number++) {
    const homes = Array.from({ length: 10 }, () => balancer.ask('GET', '/home'));
    await eventually('requests in flight', async () =>
      (await balancer.replicas()).some(({ inFlight }) => inFlight > 0),
    );
    const boom = balancer.ask('POST', '/boom');
    for (const { status, body } of await Promise.all(homes)) assert.equal(`${status} ${body}`, '200 served');
    assert.equal((await boom).status, 502);
    await balancer.untilHealthy(8);
  }
  for (const { cause } of await events(balancer, 'poison')) assert.match(cause ?? '', /^POST \/boom /);
});
