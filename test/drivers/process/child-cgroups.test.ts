/** Cgroups as files of a directory: what is written, and where it is refused. The kernel's part is not played. */
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { ChildCgroups } from '../../../lib/drivers/process/child-cgroups.ts';

const directory = mkdtempSync(join(tmpdir(), 'ringlb-test-'));
after(() => rmSync(directory, { recursive: true }));
let roots = 0;

describe('the cgroup of a child process', () => {
  let root: string;
  let cgroups: ChildCgroups;

  beforeEach(() => {
    root = join(directory, String(++roots));
    mkdirSync(root);
    writeFileSync(join(root, 'cgroup.controllers'), 'cpuset cpu io memory pids\n');
    writeFileSync(join(root, 'cgroup.subtree_control'), '');
    cgroups = new ChildCgroups(() => root);
  });

  const textIn = (...path: readonly string[]) => readFileSync(join(...path), 'utf8');

  it('has the limits of memory and CPUs', () => {
    const made = cgroups.create({ memoryBytes: 2 ** 26, cpus: 1.5 });
    assert.ok(made?.startsWith(`${root}/`));
    assert.equal(textIn(made ?? '', 'memory.max'), String(2 ** 26));
    assert.equal(textIn(made ?? '', 'cpu.max'), '150000 100000');
  });

  it('is none without a limit, and then nothing is touched', () => {
    assert.equal(cgroups.create({ memoryBytes: 0, cpus: 0 }), undefined);
    assert.deepEqual(readdirSync(root).sort(), ['cgroup.controllers', 'cgroup.subtree_control']);
  });

  it('is below the balancer, which moves into its own leaf', () => {
    cgroups.create({ memoryBytes: 2 ** 26, cpus: 0 });
    assert.equal(textIn(root, 'ringlb-balancer', 'cgroup.procs'), String(process.pid));
    assert.equal(textIn(root, 'cgroup.subtree_control'), '+memory');
  });

  it('is another one for each child', () => {
    const limits = { memoryBytes: 2 ** 26, cpus: 0 };
    assert.notEqual(cgroups.create(limits), cgroups.create(limits));
  });

  it('is refused with a sentence where there is no cgroup v2', () => {
    const none = new ChildCgroups(() => undefined);
    assert.throws(() => none.create({ memoryBytes: 2 ** 26, cpus: 0 }), {
      code: 'start-failed',
      message: /^--memory and --cpus need a cgroup v2 .* this system has no cgroup v2\. Run it as a systemd/,
    });
  });

  it('is refused where a controller is missing', () => {
    writeFileSync(join(root, 'cgroup.controllers'), 'cpu pids\n');
    assert.throws(() => cgroups.create({ memoryBytes: 2 ** 26, cpus: 1 }), /has no memory controller/);
  });

  it('is refused where the balancer may not divide its own', () => {
    rmSync(join(root, 'cgroup.subtree_control'));
    mkdirSync(join(root, 'cgroup.subtree_control'));
    assert.throws(() => cgroups.create({ memoryBytes: 2 ** 26, cpus: 0 }), /cannot be divided: EISDIR/);
    assert.equal(textIn(root, 'cgroup.procs'), String(process.pid));
    assert.deepEqual(existsSync(join(root, 'ringlb-balancer', 'memory.max')), false);
  });
});
