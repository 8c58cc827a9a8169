import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ask, Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';

type Test = { after(run: () => unknown): void };

async function started(t: Test, options: string): Promise<Balancer> {
  const balancer = await Balancer.ready(`--workers 2 --replicas 1 ${options}`);
  t.after(() => balancer.stop());
  return balancer;
}

function directory(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'ringlb-access-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const pathsIn = (text: string): readonly string[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => (JSON.parse(line) as { path: string }).path);

describe('the access log of a balancer', () => {
  it('is on standard output, and whole when the balancer has ended', async (t) => {
    const balancer = await started(t, '--access-log json');
    const paths = Array.from({ length: 30 }, (_, index) => `/home?${index}`);
    for (const path of paths) await balancer.ask('GET', path);
    await balancer.stop();
    assert.deepEqual([...pathsIn(balancer.stdout)].sort(), [...paths].sort());
  });

  it('is in a file, and in a new one after SIGHUP', async (t) => {
    const dir = directory(t);
    const file = join(dir, 'access.log');
    const balancer = await started(t, `--access-log json --access-log-file ${file}`);
    await balancer.ask('GET', '/one');
    await eventually('a line', () => readFileSync(file, 'utf8') !== '');
    renameSync(file, join(dir, 'access.log.1'));
    balancer.signal('SIGHUP');
    await eventually('another file', () => {
      try {
        return readFileSync(file, 'utf8') === '';
      } catch {
        return false;
      }
    });
    await balancer.ask('GET', '/two');
    await balancer.stop();
    assert.deepEqual(pathsIn(readFileSync(join(dir, 'access.log.1'), 'utf8')), ['/one']);
    assert.deepEqual(pathsIn(readFileSync(file, 'utf8')), ['/two']);
    assert.equal(balancer.stdout, '');
  });

  it('that cannot be written keeps the balancer from starting', async () => {
    const balancer = Balancer.spawn(
      '--port 0 --admin-port 0 --access-log json --access-log-file /none/there',
    );
    const { code } = await balancer.exited;
    assert.equal(code, 1);
    assert.match(balancer.stderr, /The access log cannot be written: ENOENT.*choose another file/);
  });

  it('that nobody reads slows no request and no shutdown', async (t) => {
    const balancer = await started(t, '--access-log json');
    balancer.child.stdout!.pause();
    const path = `/home?${'x'.repeat(15_000)}`;
    const dropped = async (): Promise<number> => {
      const { body } = await ask(balancer.adminPort, 'GET', '/metrics');
      return Number(/^ringlb_access_log_dropped_total (\d+)$/m.exec(body)?.[1]);
    };
    await eventually('a line that is dropped', async () => {
      for (let times = 0; times < 50; times++) await balancer.ask('GET', path);
      return (await dropped()) > 0;
    });
    assert.equal((await balancer.ask('GET', '/home')).status, 200);
    balancer.signal('SIGTERM');
    const ended = new Promise((resolve) => balancer.child.once('exit', resolve));
    assert.equal(await ended, 0);
    balancer.child.stdout!.resume();
    await balancer.exited;
  });
});
