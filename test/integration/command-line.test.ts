/** The commands as their user runs them: processes of their own, for a balancer in another. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Balancer, type End } from '../helpers/balancer.ts';

interface Ran extends End {
  readonly stdout: string;
  readonly stderr: string;
}

async function ringlb(args: string, env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const child = Balancer.spawn(args, { env });
  const end = await child.exited;
  return { ...end, stdout: child.stdout, stderr: child.stderr };
}

describe('the command line', () => {
  let balancer: Balancer;
  let env: Readonly<Record<string, string>>;
  before(async () => {
    balancer = await Balancer.ready('--replicas 1');
    env = { LB_ADMIN_PORT: String(balancer.adminPort) };
  });
  after(() => balancer.stop());

  it('shows, adds and removes replicas', async () => {
    const added = await ringlb('add web_a', env);
    assert.deepEqual(added, { code: 0, signal: null, stdout: '2 replicas: S1 web_a\n', stderr: '' });
    const status = await ringlb('status', env);
    assert.match(status.stdout, /^ready: 2 of 2 replicas are eligible\n/);
    assert.match(status.stdout, /^web_a +healthy /m);
    assert.equal(
      (await ringlb(`rm web_a --url http://127.0.0.1:${balancer.adminPort}`)).stdout,
      '1 replica: S1\n',
    );
  });

  it('writes colours to a terminal or on request', async () => {
    const code = '\u001b[';
    assert.ok(!(await ringlb('status', env)).stdout.includes(code));
    assert.ok((await ringlb('status', { ...env, FORCE_COLOR: '1' })).stdout.includes(code));
    assert.ok(!(await ringlb('status --json', { ...env, FORCE_COLOR: '1' })).stdout.includes(code));
  });

  it('exits 0, 1, 2 or 3 and says why on stderr', async () => {
    for (const [args, code, reason] of [
      ['health', 0, /^$/],
      ['rm nobody', 1, /^ringlb: .*nobody/],
      ['status --prot 1', 2, /^ringlb: --prot is not an option of status\n$/],
      ['stauts', 2, /^ringlb: stauts is not a command; did you mean status\?\n$/],
      ['status --url http://127.0.0.1:1', 3, /^ringlb: no balancer responds at http:\/\/127\.0\.0\.1:1: /],
    ] as const) {
      const { code: ended, stderr } = await ringlb(args, env);
      assert.equal(ended, code, stderr);
      assert.match(stderr, reason);
    }
  });

  it('tells its version and how it is used', async () => {
    assert.match((await ringlb('--version')).stdout, /^ringlb \d+\.\d+\.\d+\n$/);
    assert.match((await ringlb('events --help')).stdout, /^ringlb events: .*\n\nUsage: ringlb events /);
  });

  it('ends quietly where nobody reads on', async () => {
    for (const args of ['--help', 'help add', 'version', 'status']) {
      const child = Balancer.spawn(args, { env });
      child.child.stdout!.destroy();
      assert.deepEqual([await child.exited, child.stderr], [{ code: 0, signal: null }, '']);
    }
  });
});
