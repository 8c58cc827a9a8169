/**
 * Cgroups for the limits of child processes: one below the balancer's own for each child that has a limit.
 * Only where the balancer's own cgroup may be written (`Delegate=yes` of systemd, or root) and no other process is in
 * it: version 2 lets a cgroup hand controllers to its children only while it has no process itself, so the balancer
 * moves into a leaf of its own first.
 * Source: the kernel's documentation, cgroup-v2.rst ("No Internal Process Constraint", "Delegation").
 */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ownCgroup } from '../../platform/cgroup.ts';
import { BalancerError, messageOf } from '../../platform/errors.ts';

export interface Limits {
  /** 0 is unlimited. */
  readonly memoryBytes: number;
  readonly cpus: number;
}

/** The length in microseconds of the period that a CPU quota is for; the kernel's default. */
const CPU_PERIOD_US = 100_000;

/** Creates and removes cgroups below `root`, which is found when the first one is asked for. */
export class ChildCgroups {
  readonly #findRoot: () => string | undefined;
  /** Of the balancer, once controllers are handed to its children. */
  #root: string | undefined;
  #created = 0;

  /** `findRoot` gives the directory of the balancer's own cgroup in version 2. */
  constructor(findRoot: () => string | undefined = () => ownCgroup()) {
    this.#findRoot = findRoot;
  }

  /** The directory of a new cgroup with these limits; undefined where there are none. Throws `start-failed`. */
  create(limits: Limits): string | undefined {
    const { memoryBytes, cpus } = limits;
    if (memoryBytes === 0 && cpus === 0) return undefined;
    const directory = join(this.#delegate(limits), `ringlb-${process.pid}-${++this.#created}`);
    try {
      mkdirSync(directory);
      if (memoryBytes > 0) {
        writeFileSync(join(directory, 'memory.max'), String(memoryBytes));
        withoutSwap(directory);
      }
      if (cpus > 0) {
        const quotaUs = Math.round(cpus * CPU_PERIOD_US);
        writeFileSync(join(directory, 'cpu.max'), `${quotaUs} ${CPU_PERIOD_US}`);
      }
      return directory;
    } catch (error) {
      this.remove(directory);
      throw refusal(`the limits cannot be set: ${messageOf(error)}`);
    }
  }

  /** Removes a cgroup whose last process has ended; one that has a process left stays until the balancer's own goes. */
  remove(directory: string): void {
    try {
      rmdirSync(directory);
    } catch {
      // not empty yet, or gone
    }
  }

  /** The balancer's cgroup, with the controllers for these limits handed to its children. */
  #delegate({ memoryBytes, cpus }: Limits): string {
    const wanted = [...(memoryBytes > 0 ? ['memory'] : []), ...(cpus > 0 ? ['cpu'] : [])];
    const root = this.#root ?? this.#findRoot();
    if (root === undefined) throw refusal('this system has no cgroup v2');
    const missing = wanted.filter((one) => !wordsIn(join(root, 'cgroup.controllers')).includes(one));
    if (missing.length > 0)
      throw refusal(`the cgroup of the balancer has no ${missing.join(' and ')} controller`);
    const enabled = wordsIn(join(root, 'cgroup.subtree_control'));
    const lacking = wanted.filter((one) => !enabled.includes(one));
    if (lacking.length > 0) this.#enable(root, lacking);
    this.#root = root;
    return root;
  }

  #enable(root: string, controllers: readonly string[]): void {
    const leaf = join(root, 'ringlb-balancer');
    try {
      mkdirSync(leaf, { recursive: true });
      writeFileSync(join(leaf, 'cgroup.procs'), String(process.pid));
      writeFileSync(join(root, 'cgroup.subtree_control'), controllers.map((one) => `+${one}`).join(' '));
    } catch (error) {
      moveBack(root, leaf);
      throw refusal(`the cgroup of the balancer cannot be divided: ${messageOf(error)}`);
    }
  }
}

function moveBack(root: string, leaf: string): void {
  try {
    writeFileSync(join(root, 'cgroup.procs'), String(process.pid));
    rmdirSync(leaf);
  } catch {
    // it stays where it is, which has the limits of the root
  }
}

/** A kernel without accounting of swap has no such file. */
function withoutSwap(directory: string): void {
  try {
    writeFileSync(join(directory, 'memory.swap.max'), '0', { flag: 'r+' });
  } catch {
    // then memory alone is limited
  }
}

function wordsIn(file: string): readonly string[] {
  try {
    return readFileSync(file, 'utf8').trim().split(/\s+/);
  } catch {
    return [];
  }
}

function refusal(reason: string): BalancerError {
  return new BalancerError(
    'start-failed',
    `--memory and --cpus need a cgroup v2 that the balancer may divide, and ${reason}. Run it as a systemd service with Delegate=yes, use --driver docker, or leave the limits out`,
  );
}
