/**
 * How many cores this process may use: its CPU affinity, capped by the CPU quotas of its cgroup and of every parent.
 * Node's own figure rounds a quota down, and misses it where a container sees the cgroup paths of its host.
 * Source: Linux, cgroup-v2 ("CPU interface files"), sched-bwc (version 1), cgroups(7).
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** The text of a file; '' if it cannot be read. */
export type ReadText = (path: string) => string;

export interface Cpus {
  /** Whole cores to use, at least one. */
  readonly cores: number;
  /** The quota in cores, such as 1.5; undefined without one. */
  readonly quota: number | undefined;
}

/** The kernel's figures for this process; on a system without /proc, Node's. */
export function cpus(read: ReadText = readIfThere): Cpus {
  const quota = cpuQuota(read);
  const allowed = countOf(/^Cpus_allowed_list:\s*(\S+)/m.exec(read('/proc/self/status'))?.[1] ?? '');
  const most = allowed || availableParallelism();
  return { cores: Math.max(1, Math.min(most, Math.ceil(quota ?? most))), quota };
}

/** The directory of this process's cgroup in version 2; undefined where it has none that is mounted. */
export function ownCgroup(read: ReadText = readIfThere): string | undefined {
  const path = groupIn(read('/proc/self/cgroup'), true);
  const mount = mountsIn(read('/proc/self/mountinfo')).find(({ isUnified }) => isUnified);
  if (path === undefined || mount === undefined) return undefined;
  return mount.mountedAt + pathBelow(mount, path);
}

/** The smallest quota from our cgroup up to the root of the mount. */
function cpuQuota(read: ReadText): number | undefined {
  const groups = read('/proc/self/cgroup');
  const quotas: number[] = [];
  for (const mount of mountsIn(read('/proc/self/mountinfo'))) {
    const { isUnified, mountedAt } = mount;
    const path = groupIn(groups, isUnified);
    if (path === undefined) continue;
    for (const directory of upwards(pathBelow(mount, path))) {
      const quota = isUnified
        ? quotaOf(mountedAt + directory, read)
        : oldQuotaOf(mountedAt + directory, read);
      if (quota !== undefined) quotas.push(quota);
    }
  }
  return quotas.length === 0 ? undefined : Math.min(...quotas);
}

/** The path within the mount. A container may see its cgroup under the path of its host, or one outside of the mount. */
function pathBelow({ root }: Mount, path: string): string {
  if (path === '/') return '';
  const isBelow = root === '/' || path === root || path.startsWith(`${root}/`);
  return isBelow ? path.slice(root === '/' ? 0 : root.length) : '';
}

interface Mount {
  /** Version 2. */
  readonly isUnified: boolean;
  /** The cgroup at its root. */
  readonly root: string;
  readonly mountedAt: string;
}

function mountsIn(mountinfo: string): readonly Mount[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root = '', mountedAt = ''] = before.split(' ');
    const [type, , options = ''] = after.split(' ');
    const isUnified = type === 'cgroup2';
    const isOurs = isUnified || (type === 'cgroup' && options.split(',').includes('cpu'));
    return isOurs ? [{ isUnified, root: unescaped(root), mountedAt: unescaped(mountedAt) }] : [];
  });
}

/** The path of our cgroup: after `0::` in version 2, after the controller in version 1. */
function groupIn(groups: string, isUnified: boolean): string | undefined {
  for (const line of groups.split('\n')) {
    const [, id, controllers = '', path = ''] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    const isIt = isUnified ? id === '0' && controllers === '' : controllers.split(',').includes('cpu');
    if (isIt) return path;
  }
  return undefined;
}

/** `/a/b`, `/a` and ``; for a path that leads out of the mount only its root. */
function upwards(path: string): readonly string[] {
  const parts = path.split('/').filter(Boolean);
  if (parts.includes('..')) return [''];
  return parts.map((_, index) => `/${parts.slice(0, parts.length - index).join('/')}`).concat('');
}

/** `150000 100000`: microseconds per period, and the period; `max` is no quota. */
function quotaOf(directory: string, read: ReadText): number | undefined {
  const [, quota, period] = /^(\d+) (\d+)\s*$/.exec(read(`${directory}/cpu.max`)) ?? [];
  return share(quota, period);
}

function oldQuotaOf(directory: string, read: ReadText): number | undefined {
  return share(read(`${directory}/cpu.cfs_quota_us`).trim(), read(`${directory}/cpu.cfs_period_us`).trim());
}

/** The quota in processors; undefined where there is none, for which version 1 of cgroups writes -1. */
function share(quota = '', period = ''): number | undefined {
  const value = Number(quota) / Number(period);
  return value > 0 && Number.isFinite(value) ? value : undefined;
}

/** The length of a list such as `0-3,8`. */
function countOf(list: string): number {
  return list.split(',').reduce((sum, range) => {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? [];
    return first === undefined ? sum : sum + Number(last) - Number(first) + 1;
  }, 0);
}

/** mountinfo escapes blanks in paths as `\040`. */
function unescaped(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
