import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { describe, it } from 'node:test';
import { cpus } from '../../lib/platform/cgroup.ts';

type Files = Readonly<Record<string, string>>;

/** What a process finds that sees these files, and may run on the cores of the list. */
const found = (files: Files, allowed = '0-7') =>
  cpus((path) => {
    if (path === '/proc/self/status') return `Name:\tnode\nCpus_allowed_list:\t${allowed}\nThreads:\t11\n`;
    return files[path] ?? '';
  });

/** Version 2 in a container that sees its own group as the top. */
const V2: Files = {
  '/proc/self/cgroup': '0::/\n',
  '/proc/self/mountinfo':
    '2290 2289 0:28 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate,memory_recursiveprot\n',
};

/** Version 1 in a container that sees the paths of its host. */
const V1: Files = {
  '/proc/self/cgroup': '4:memory:/docker/74fd\n1:cpu,cpuacct:/docker/74fd\n0::/docker/74fd\n',
  '/proc/self/mountinfo':
    '188 187 0:70 / /sys/fs/cgroup rw,nosuid - tmpfs tmpfs rw,mode=755\n' +
    '189 188 0:29 /docker/74fd /sys/fs/cgroup/cpu,cpuacct ro,nosuid - cgroup cgroup rw,cpu,cpuacct\n' +
    '192 188 0:32 /docker/74fd /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory\n',
  '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
};

describe('the cores of a process', () => {
  it('follow its CPU affinity', () => {
    assert.deepEqual(found({}, '0-3,8,10-11'), { cores: 7, quota: undefined });
    assert.deepEqual(found({}, '5'), { cores: 1, quota: undefined });
  });

  it('follow Node where the kernel says nothing', () => {
    assert.deepEqual(
      cpus(() => ''),
      { cores: availableParallelism(), quota: undefined },
    );
  });

  for (const [max, cores, quota] of [
    ['max 100000\n', 8, undefined],
    ['150000 100000\n', 2, 1.5],
    ['100000 100000\n', 1, 1],
    ['10000 100000\n', 1, 0.1],
    ['200000 50000\n', 4, 4],
    ['6400000 100000\n', 8, 64],
    ['', 8, undefined],
    ['nonsense', 8, undefined],
  ] as const) {
    it(`follow cpu.max ${JSON.stringify(max)}, rounded up: ${cores}`, () => {
      assert.deepEqual(found({ ...V2, '/sys/fs/cgroup/cpu.max': max }), { cores, quota });
    });
  }

  for (const [us, cores, quota] of [
    ['-1\n', 8, undefined],
    ['150000\n', 2, 1.5],
    ['50000\n', 1, 0.5],
  ] as const) {
    it(`follow cpu.cfs_quota_us ${JSON.stringify(us)} of version 1: ${cores}`, () => {
      const files = { ...V1, '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': us };
      assert.deepEqual(found(files), { cores, quota });
    });
  }

  it('follow the smallest quota of all parent cgroups', () => {
    const files = {
      ...V2,
      '/proc/self/cgroup': '0::/system.slice/lb.service/inner\n',
      '/sys/fs/cgroup/system.slice/lb.service/inner/cpu.max': '400000 100000\n',
      '/sys/fs/cgroup/system.slice/lb.service/cpu.max': '250000 100000\n',
      '/sys/fs/cgroup/system.slice/cpu.max': 'max 100000\n',
    };
    assert.deepEqual(found(files), { cores: 3, quota: 2.5 });
  });

  it('ignore the quota of a sibling cgroup', () => {
    const files = { ...V2, '/proc/self/cgroup': '0::/ab\n', '/sys/fs/cgroup/a/cpu.max': '100000 100000\n' };
    assert.deepEqual(found(files), { cores: 8, quota: undefined });
  });

  it("follow the mount's quota where the path leads out of it", () => {
    for (const path of ['/../../other', '/elsewhere']) {
      const files = {
        '/proc/self/cgroup': `0::${path}\n`,
        '/proc/self/mountinfo': '30 29 0:28 /pod/one /sys/fs/cgroup\\040two ro - cgroup2 cgroup rw\n',
        '/sys/fs/cgroup two/cpu.max': '200000 100000\n',
      };
      assert.deepEqual(found(files), { cores: 2, quota: 2 }, path);
    }
  });
});
