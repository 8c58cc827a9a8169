/**
 * Whether the kernel's OOM killer has struck in our own cgroup: a process that dies of SIGKILL does not say who sent it.
 * Where the kernel keeps no such counter, no kill counts as one for lack of memory.
 * Source: the kernel's documentation, cgroup-v2.rst (`memory.events`) and cgroup-v1/memory.rst (`memory.oom_control`).
 */
import { readFileSync } from 'node:fs';

const COUNT = /^oom_kill (\d+)$/m;

export class OomKills {
  readonly #file: string | undefined;
  /** Kills that were attributed, or forgotten. */
  #seen: number;

  /** `files` are the candidates for the counter, best first. */
  constructor(files: readonly string[] = ownFiles()) {
    this.#file = files.find((file) => COUNT.test(textOf(file)));
    this.#seen = this.#count();
  }

  /** True once for each new kill: the process whose SIGKILL the caller saw was killed by the kernel. */
  take(): boolean {
    if (this.#count() <= this.#seen) return false;
    this.#seen++;
    return true;
  }

  /** Attributes all kills so far to no instance: a worker died perhaps, and its parent lives on. */
  forget(): void {
    this.#seen = this.#count();
  }

  #count(): number {
    return this.#file === undefined ? 0 : Number(COUNT.exec(textOf(this.#file))?.[1] ?? 0);
  }
}

/** In a container the mounts start at its own cgroup, even where the path shown is that of the host. */
function ownFiles(): readonly string[] {
  const groups = textOf('/proc/self/cgroup');
  const [unified = ''] = /(?<=^0::).*$/m.exec(groups) ?? [];
  const [memory = ''] = /(?<=^\d+:(?:[^:\n]*,)?memory(?:,[^:\n]*)?:).*$/m.exec(groups) ?? [];
  return [
    `/sys/fs/cgroup${unified}/memory.events`,
    '/sys/fs/cgroup/memory.events',
    `/sys/fs/cgroup/memory${memory}/memory.oom_control`,
    '/sys/fs/cgroup/memory/memory.oom_control',
  ];
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
