/** `ringlb deploy` and `ringlb rollback` against an admin port. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type DeployOrder, deployRoute } from '../../lib/admin/routes/deploy.ts';
import type { DeployState, DeployStatus, DeployView } from '../../lib/api/deploy.ts';
import { widthOf } from '../../lib/cli/output.ts';
import { type Running, runAdmin } from '../helpers/admin/admin.ts';
import { keptOutput, type Ran, runCommand } from '../helpers/cli/cli.ts';

const [FROM, TO] = [
  { generation: 1, title: 'app:1' },
  { generation: 2, title: 'app:2' },
];

const REASONS: Partial<Record<DeployState, string>> = {
  interrupted: 'the balancer ended in the middle of it',
  'rolled-back': 'S1: exit 3: Error: no table',
};

function viewIn(state: DeployState, to = TO): DeployView {
  const reason = REASONS[state] ?? null;
  const lastLines = state === 'rolled-back' ? ['Error: no table', '\u001b[2J    at start'] : [];
  const replicas = [{ name: 'S1', phase: 'done', from: FROM, to, gate: null }] as const;
  const limits = { batch: 1, watchMs: 10_000, maxErrorRate: 0.01 };
  return { id: 'd-1', state, from: FROM, to, ...limits, reason, lastLines, ms: 1500, replicas };
}

describe('the command for deploys', () => {
  let admin: Running;
  /** The state of the deploy, before and after something is asked for. */
  let states: DeployState[] = [];
  let to = TO;
  let orders: DeployOrder[] = [];
  /** What is shown in place of one in `states`. */
  let shown: DeployView | undefined;
  before(async () => {
    const route = deployRoute({
      start: async (order) => {
        orders.push(order);
        states.shift();
        return 'd-1';
      },
      preview: async (order) => {
        orders.push(order);
        return { dryRun: true, to: TO, replicas: [{ name: 'S1', from: FROM }] };
      },
      rollBack: async () => {
        states.shift();
        return 'd-1';
      },
      status: (): DeployStatus => ({ current: FROM, before: null, deploy: shown ?? viewIn(states[0]!, to) }),
    });
    admin = await runAdmin({ routes: [route] });
  });
  after(() => admin.stop());
  beforeEach(() => {
    orders = [];
    to = TO;
  });

  const run = (line: string, ...expected: DeployState[]): Promise<Ran> => {
    states = expected;
    return runCommand(admin.port, line.split(' '));
  };

  it('resumes one that was interrupted', async () => {
    const { exitStatus } = await run('deploy resume --watch 2s --batch 3', 'interrupted', 'done');
    assert.equal(exitStatus, 0);
    const [order] = orders;
    assert.deepEqual([order?.kind, order?.watchMs, order?.batch], ['resume', 2000, 3]);
  });

  it('exits 1 where what it resumes is rolled back', async () => {
    assert.equal((await run('deploy resume', 'interrupted', 'rolled-back')).exitStatus, 1);
  });

  it('takes nothing else to resume', async () => {
    for (const line of ['deploy resume --env A=1', 'deploy resume --command x', 'deploy resume now']) {
      const { exitStatus, notes } = await run(line, 'interrupted');
      assert.deepEqual([exitStatus, notes.length], [2, 1]);
    }
    assert.deepEqual(orders, []);
  });

  it('says of one that was interrupted what can be done', async () => {
    const { lines } = await run('deploy status', 'interrupted');
    assert.deepEqual(lines.slice(0, 3), [
      'deploy d-1: interrupted, app:1 → app:2',
      'ringlb deploy resume goes on with it, ringlb rollback takes it back',
      'the balancer ended in the middle of it',
    ]);
  });

  it('says for how long it runs, and how long it took', async () => {
    assert.equal(
      (await run('deploy status', 'running')).lines[0],
      'deploy d-1: running for 1s, app:1 → app:2',
    );
    assert.equal((await run('deploy status', 'done')).lines[0], 'deploy d-1: done after 1s, app:1 → app:2');
  });

  for (const columns of [40, 60, 80, 120])
    it(`fits a terminal of ${columns} columns, whatever it has to say`, async () => {
      const name = 'a-name-of-a-replica-that-is-as-long-as-a-name-may-be-0123456789a';
      const rest = { restRequests: 0, restErrors: 0, restP99Ms: 0 };
      const gate = { requests: 1_234_567, errors: 12, p99Ms: 123.4, ...rest };
      shown = {
        ...viewIn('rolled-back', { generation: 2, title: 'registry.example.com/team/应用程序:1.3.0' }),
        reason: 'S1: exit 127: 設定ファイルが見つかりません。もう一度確認してからやり直してください',
        lastLines: [`    at start (/srv/${'app/'.repeat(40)}server.js:120:11)`],
        replicas: [{ name, phase: 'done', from: FROM, to: TO, gate }],
      };
      const written = keptOutput(false, columns);
      const { lines } = await runCommand(admin.port, ['deploy', 'status'], { written });
      shown = undefined;
      for (const line of lines) assert.ok(widthOf(line) <= columns, `${widthOf(line)}: ${line}`);
      assert.match(lines.at(-1)!, /^a-name-of-a.* done .*1234567 +12/);
    });

  it('wraps in a narrow terminal', async () => {
    states = ['done'];
    const written = keptOutput(false, 36);
    const { lines } = await runCommand(admin.port, ['deploy', 'status'], { written });
    assert.deepEqual(lines, [
      'deploy d-1: done after 1s, app:1 →',
      'app:2',
      '',
      'REPLICA  PHASE  FROM   TO',
      'S1       done   app:1  app:2',
    ]);
  });

  it('tells two releases of one title apart by their generations', async () => {
    to = { ...FROM, generation: 2 };
    const { lines } = await run('deploy status', 'running');
    assert.deepEqual(lines, [
      'deploy d-1: running for 1s, app:1, generation 1 → 2',
      '',
      'REPLICA  PHASE  FROM          TO',
      'S1       done   generation 1  generation 2',
    ]);
  });

  const QUOTED = [
    'the last lines of the new instance that failed:',
    '  Error: no table',
    '  \ufffd[2J    at start',
  ];

  it('quotes the last lines of what failed, before how it ended', async () => {
    const { lines } = await run('deploy --restart', 'running', 'rolled-back');
    assert.deepEqual(lines.slice(-4, -1), QUOTED);
    assert.match(lines.at(-1) ?? '', /rolled-back.*: S1: exit 3: Error: no table$/);
  });

  it('shows the last lines of what failed in its status', async () => {
    const { lines } = await run('deploy status', 'rolled-back');
    assert.deepEqual(lines.slice(1, 5), ['S1: exit 3: Error: no table', ...QUOTED]);
  });

  it('does not wait for one that was interrupted', async () => {
    assert.equal((await run('deploy status --follow', 'interrupted')).exitStatus, 0);
  });

  it('shows in a dry run what it would resume', async () => {
    const { lines } = await run('deploy resume --dry-run', 'interrupted');
    assert.deepEqual(lines, ['would deploy app:2 as generation 2', '  S1  app:1 (generation 1)']);
  });

  it('takes back one that was interrupted, which is a success', async () => {
    assert.equal((await run('rollback', 'interrupted', 'rolled-back')).exitStatus, 0);
  });

  it('deploys the version before where nothing is under way', async () => {
    assert.equal((await run('rollback', 'done', 'done')).exitStatus, 0);
    assert.equal((await run('rollback', 'done', 'rolled-back')).exitStatus, 1);
  });
});
