/** The study's own balancer: it serves, and nothing of it is left, however the study ends. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { openBalancer } from '../../bench/analyze/balancer.ts';
import { parseOptions } from '../../bench/analyze/options.ts';
import { eventually } from '../helpers/eventually.ts';
import { groupOf } from '../helpers/processes.ts';

const ROOT = join(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'lib/main.ts');
const options = parseOptions([])!;

test('a balancer under study closes with its three replicas', async () => {
  const balancer = await openBalancer(options, MAIN);
  const replicas = await balancer.control.replicas();
  assert.deepEqual(
    replicas.map(({ name, state }) => `${name} ${state}`),
    ['S1 healthy', 'S2 healthy', 'S3 healthy'],
  );
  await balancer.close();
  for (const { instance } of replicas) assert.deepEqual(groupOf(Number.parseInt(instance!, 10)), []);
});

test('a balancer that cannot be started says why', async () => {
  await assert.rejects(
    openBalancer(options, '/nowhere/main.js'),
    /\/nowhere\/main\.js is missing: run `npm run build`/,
  );
});

/** A study that opens a balancer, says the process ids of its replicas, and waits. */
const STUDY = `
  const { openBalancer } = await import(${JSON.stringify(join(ROOT, 'bench/analyze/balancer.ts'))});
  const { parseOptions } = await import(${JSON.stringify(join(ROOT, 'bench/analyze/options.ts'))});
  const balancer = await openBalancer(parseOptions([]), ${JSON.stringify(MAIN)});
  const replicas = await balancer.control.replicas();
  process.stdout.write(replicas.map(({ instance }) => Number.parseInt(instance, 10)).join());
`;

test('a study that is killed leaves no replica', async () => {
  const study = spawn(process.execPath, ['--input-type=module', '--eval', STUDY], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(study.stdout.setEncoding('utf8'), 'data')) as [string];
  const leaders = line.trim().split(',').map(Number);
  assert.ok(leaders.length === 3 && leaders.every((leader) => groupOf(leader).length > 0));
  study.kill('SIGKILL');
  await eventually('no process of any replica', () =>
    leaders.every((leader) => groupOf(leader).length === 0),
  );
});
