/**
 * Servers that a file lists, which is read again when something changes in its directory: so a file that is moved into
 * place is seen, and one that is a symbolic link to where Kubernetes keeps a ConfigMap.
 */
import { constants, type FSWatcher, statSync, watch } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { FileSpec } from '../../core/discovery/source-spec.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
import { parseServers } from './file-format.ts';
import type { Look, Source } from './source.ts';

/** More than 1,024 servers with names of the longest kind; whatever is larger is another file. */
const MAX_BYTES = 1_048_576;
/** Whoever writes a file makes several changes at once. */
const SETTLE_MS = 50;

export function createFileSource({ text, path }: FileSpec, clock: Clock): Source {
  return new FileSource(text, path, clock);
}

class FileSource implements Source {
  readonly text: string;
  readonly #path: string;
  readonly #clock: Clock;
  #onChange: (() => void) | undefined;
  #watcher: FSWatcher | undefined;
  /** Of the directory that the watcher follows. */
  #inode = 0;
  #timer: Timer | undefined;

  constructor(text: string, path: string, clock: Clock) {
    this.text = text;
    this.#path = path;
    this.#clock = clock;
  }

  async look(): Promise<Look> {
    this.#follow();
    return { servers: parseServers(await readText(this.#path)) };
  }

  watch(onChange: () => void): void {
    this.#onChange = onChange;
  }

  close(): void {
    this.#onChange = undefined;
    this.#timer?.cancel();
    this.#unfollow();
  }

  /** Follows the directory that is there now; without any, looks at intervals alone find what changes. */
  #follow(): void {
    const inode = statSync(dirname(this.#path), { throwIfNoEntry: false })?.ino;
    if (this.#onChange === undefined || (this.#watcher !== undefined && inode === this.#inode)) return;
    this.#unfollow();
    if (inode === undefined) return;
    this.#inode = inode;
    const file = basename(this.#path);
    try {
      this.#watcher = watch(dirname(this.#path), { persistent: false }, (_, name) => {
        if (name === null || name === file || name.startsWith('..')) this.#changed();
      });
      this.#watcher.on('error', () => this.#unfollow());
    } catch {
      this.#watcher = undefined;
    }
  }

  #unfollow(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #changed(): void {
    // not put off by further changes, or a file that is written all the time would never be looked at
    this.#timer ??= this.#clock.after(SETTLE_MS, () => {
      this.#timer = undefined;
      this.#onChange?.();
    });
  }
}

async function readText(path: string): Promise<string> {
  // without O_NONBLOCK the open of a named pipe would wait for a writer, and hold a thread
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw new Error(`${path} is not a file`);
    if (stats.size > MAX_BYTES) throw new Error(`${path} is larger than 1 MiB`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}
