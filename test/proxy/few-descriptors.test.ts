/** A process that may open 256 files, and 1,000 clients: load is shed with 503, then served again. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { eventually } from '../helpers/eventually.ts';
import { get, ok, statusOf } from '../helpers/proxy-message.ts';
import { Peer } from '../helpers/proxy-peer.ts';
import { FakeReplica } from '../helpers/proxy-replica.ts';

const MAIN = new URL('../../lib/main.ts', import.meta.url).pathname;
const CLIENTS = 1000;

interface Balancer {
  readonly port: number;
  readonly pid: number;
  /** What it has logged, line by line. */
  lines(): string[];
}

/** A whole balancer in a shell that lowered the limit, hard limit included: Node raises the soft one to it. */
async function balancer(t: TestContext, flags: readonly string[]): Promise<Balancer> {
  const args = [
    'serve',
    '--port',
    '0',
    '--host',
    '127.0.0.1',
    '--admin-port',
    '0',
    '--workers',
    '1',
    ...flags,
  ];
  const child = spawn('sh', ['-c', 'ulimit -n 256 && exec "$@"', 'sh', process.execPath, MAIN, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (more: string) => {
    text += more;
  });
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const port = await eventually(
    'a balancer that serves',
    () => /serving on http:\/\/[^",]*:(\d+)/.exec(text)?.[1],
  );
  return { port: Number(port), pid: child.pid!, lines: () => text.split('\n') };
}

async function ask(port: number): Promise<{ readonly client: Peer; readonly status: number }> {
  const client = await Peer.connect(port);
  client.send(get('/'));
  const status = await client.response().then(statusOf, () => 0);
  return { client, status };
}

test('with 256 descriptors 1,000 clients are served or told 503; then all is well again', {
  skip: process.platform !== 'linux',
}, async (t) => {
  const replica = await FakeReplica.open();
  t.after(() => replica.close());
  replica.serve(() => ok('hello'));
  const { port, pid, lines } = await balancer(t, [
    '--driver',
    'static',
    '--upstreams',
    `http://127.0.0.1:${replica.port}`,
  ]);
  await eventually('a first answer', async () => {
    const { client, status } = await ask(port);
    client.close();
    return status === 200;
  });
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
  const said = lines().filter((line) => line.includes('503'));
  assert.equal(said.length, 1, said.join('\n'));
  assert.doesNotMatch(lines().join('\n'), /"level":"error"/);
});
