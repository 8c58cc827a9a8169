/** A disk of 64 KiB, which is soon full. Only root can have one. Must not hold: tests. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { skipUnless } from '../skip.ts';

export const skipWithoutMount = skipUnless(
  process.platform === 'linux' && process.getuid?.() === 0,
  'only root mounts a small disk',
);

/** The directory that it is in; it is taken away after the test. */
export function smallDisk(t: { after(run: () => unknown): void }): string {
  const dir = mkdtempSync(join(tmpdir(), 'ringlb-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', dir]);
  t.after(() => {
    execFileSync('umount', ['-l', dir]);
    rmdirSync(dir);
  });
  return dir;
}

/** From now on it has room again. */
export function makeRoom(dir: string): void {
  execFileSync('mount', ['-o', 'remount,size=10m', dir]);
}
