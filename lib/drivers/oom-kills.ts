/**
 * Whether the kernel has killed something of our own cgroup for its memory: a process that ends by SIGKILL does not
 * say who killed it. Where the kernel keeps no such count, nobody was.
 * Source: the kernel's documentation, cgroup-v2.rst (`memory.events`) and cgroup-v1/memory.rst (`memory.oom_control`).
 */
import { readFileSync } from 'node:fs';

const COUNT = /^oom_kill (\d+)$/m;

export class OomKills {
  readonly #file: string | undefined;
  /** Kills that are accounted for. */
  #seen: number;

  /** `files` are where the count may be, the best first. */
  constructor(files: readonly string[] = ownFiles()) {
    this.#file = files.find((file) => COUNT.test(textOf(file)));
    this.#seen = this.#count();
  }

  /** True once for each kill since the last look: whoever asks was killed, and by the kernel. */
  take(): boolean {
    if (this.#count() <= this.#seen) return false;
    this.#seen++;
    return true;
  }

  /** What was killed until now was no instance: a worker of one perhaps, which goes on. */
  forget(): void {
    this.#seen = this.#count();
  }

  #count(): number {
    return this.#file === undefined ? 0 : Number(COUNT.exec(textOf(this.#file))?.[1] ?? 0);
  }
}

/** In a container the mounts begin at its own cgroup, although its path may be shown as the host knows it. */
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
