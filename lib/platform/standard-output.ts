/**
 * Standard output and standard error, opened so that no write to them waits for a reader.
 * A pipe or a terminal is opened once more with O_NONBLOCK, which changes nothing for whoever else has it. A socket
 * cannot be opened again, so it is switched for all that share it; Node switches it back when the process ends.
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { isatty } from 'node:tty';

const { O_WRONLY, O_NOCTTY, O_NONBLOCK } = constants;

/** Sockets whose handle made the descriptor non-blocking. */
const switched: Socket[] = [];

/**
 * A descriptor for standard output (1) or standard error (2). Where what is behind it is full, a write to it fails
 * with EAGAIN. A regular file is given as it is: it is never full in that sense, and keeps its offset.
 */
export function unblocked(fd: 1 | 2): number {
  const stats = fstatSync(fd);
  if (stats.isSocket()) return switchOver(fd);
  if (!stats.isFIFO() && !isatty(fd)) return fd;
  let opened: number;
  try {
    opened = openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    // of another user, or on a system without /proc
    return stats.isFIFO() ? switchOver(fd) : fd;
  }
  const { dev, ino } = fstatSync(opened);
  if (dev === stats.dev && ino === stats.ino) return opened;
  closeSync(opened);
  return fd;
}

/** Libuv makes a descriptor non-blocking when a handle takes it; nothing is ever written through the handle. */
function switchOver(fd: number): number {
  try {
    switched.push(new Socket({ fd, readable: false, writable: true }).unref());
  } catch {
    // neither a pipe nor a stream socket
  }
  return fd;
}
