/** The command line of the study. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseOptions, UsageError } from '../../bench/analyze/options.ts';

const MAIN = join(import.meta.dirname, '../../bench/analyze.ts');

function problemsOf(...args: string[]): readonly string[] {
  try {
    parseOptions(args);
  } catch (error) {
    assert.ok(error instanceof UsageError);
    return error.problems;
  }
  return [];
}

test('nothing asked for means all experiments over child processes', () => {
  assert.deepEqual(parseOptions([]), {
    only: ['a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7', 'a8'],
    driver: 'process',
    requests: 10_000,
    concurrency: 64,
    seed: 1,
    seeds: 1,
    url: undefined,
    adminUrl: undefined,
    adminToken: '',
  });
});

test('experiments are picked by name, in report order', () => {
  assert.deepEqual(parseOptions(['--only', 'A-4, a1'])?.only, ['a1', 'a4']);
});

test("the admin port defaults to 5001 of the balancer's host", () => {
  const of = (...args: string[]) => parseOptions(['--url', 'http://box:8080', ...args])?.adminUrl?.href;
  assert.equal(of(), 'http://box:5001/');
  assert.equal(of('--admin-url', 'http://127.0.0.1:9'), 'http://127.0.0.1:9/');
});

test('a token is taken from the environment unless it is said', () => {
  assert.equal(parseOptions([], { LB_ADMIN_TOKEN: 'a' })?.adminToken, 'a');
  assert.equal(parseOptions(['--admin-token', 'b'], { LB_ADMIN_TOKEN: 'a' })?.adminToken, 'b');
});

test('every problem is named, all of them at once', () => {
  assert.deepEqual(
    problemsOf(
      '--only',
      'a1,a9',
      '--driver',
      'swarm',
      '--requests',
      '5',
      '--concurrency',
      '1.5',
      '--seed',
      '-1',
    ),
    [
      "Option '--seed' argument is ambiguous.\nDid you forget to specify the option argument for '--seed'?\nTo specify an option argument starting with a dash use '--seed=-XYZ'.",
    ],
  );
  assert.deepEqual(
    problemsOf(
      '--only',
      'a1,a9',
      '--driver',
      'swarm',
      '--requests',
      '5',
      '--concurrency',
      '1.5',
      '--seed=-1',
    ),
    [
      '--only knows a1, a2, a3, a4, a5, a6, a7, a8, not "a9"',
      '--driver must be process or docker, not "swarm"',
      '--requests must be a whole number from 100 to 1000000, not "5"',
      '--concurrency must be a whole number from 1 to 1024, not "1.5"',
      '--seed must be a whole number from 0 to 4294967295, not "-1"',
    ],
  );
  assert.deepEqual(problemsOf('--url', 'localhost:5000'), [
    '--url must be like http://localhost:5000, not "localhost:5000"',
  ]);
  assert.deepEqual(problemsOf('--admin-url', 'http://localhost:5001'), [
    '--admin-url needs --url: the study knows the admin port of its own balancer',
  ]);
});

test('wrong options end the program with status 2, help with 0', () => {
  const wrong = spawnSync(process.execPath, [MAIN, '--only', 'a9'], { encoding: 'utf8' });
  assert.deepEqual([wrong.status, wrong.stdout], [2, '']);
  assert.equal(wrong.stderr, 'analyze: --only knows a1, a2, a3, a4, a5, a6, a7, a8, not "a9"\n');
  const help = spawnSync(process.execPath, [MAIN, '--help'], { encoding: 'utf8' });
  assert.deepEqual([help.status, help.stderr], [0, '']);
  assert.match(help.stdout, /--driver process/);
});

test('an unresponsive balancer ends the study with status 1', () => {
  const args = [MAIN, '--only', 'a1', '--url', 'http://127.0.0.1:1', '--admin-url', 'http://127.0.0.1:2'];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(status, 1);
  assert.match(stderr, /no balancer responds on http:\/\/127\.0\.0\.1:1 .*ECONNREFUSED/);
});
