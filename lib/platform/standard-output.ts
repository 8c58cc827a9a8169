/**
 * Opens standard output and standard error in non-blocking mode.
 * A pipe or terminal is reopened with O_NONBLOCK, which affects nobody else who has it open. A socket cannot be reopened,
 * so its mode is switched for everybody who shares it; Node restores it when the process ends.
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { isatty } from 'node:tty';

const { O_WRONLY, O_NOCTTY, O_NONBLOCK } = constants;

/** Handles that made their descriptor non-blocking; kept so that it stays so. */
const switched: Socket[] = [];

/**
 * A non-blocking descriptor for standard output (1) or standard error (2): writes fail with EAGAIN while it is full.
 * A regular file is returned as it is, which never blocks in that sense and keeps its offset.
 */
export function nonBlocking(fd: 1 | 2): number {
  const stats = fstatSync(fd);
  if (stats.isSocket()) return makeNonBlocking(fd);
  if (!stats.isFIFO() && !isatty(fd)) return fd;
  let opened: number;
  try {
    opened = openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    // owned by another user, or a system without /proc
    return stats.isFIFO() ? makeNonBlocking(fd) : fd;
  }
  const { dev, ino } = fstatSync(opened);
  if (dev === stats.dev && ino === stats.ino) return opened;
  closeSync(opened);
  return fd;
}

/** libuv makes the descriptor of a handle non-blocking; nothing is ever written through the handle. */
function makeNonBlocking(fd: number): number {
  try {
    switched.push(new Socket({ fd, readable: false, writable: true }).unref());
  } catch {
    // neither a pipe nor a stream socket
  }
  return fd;
}
