/** Why a test is skipped, where it may be. Must not hold: tests. */
import { spawnSync } from 'node:child_process';

/** `reason` where what a test needs is not there; undefined where it is, or where nothing may be skipped: RINGLB_TESTS=all. */
export function skipUnless(isThere: boolean, reason: string): string | undefined {
  return isThere || process.env.RINGLB_TESTS === 'all' ? undefined : reason;
}

export const skipWithoutPython: string | undefined = skipUnless(
  spawnSync('python3', ['--version']).status === 0,
  'no python3',
);

export const skipWithoutProc: string | undefined = skipUnless(
  process.platform === 'linux',
  'only Linux tells of descriptors and sockets in /proc',
);
