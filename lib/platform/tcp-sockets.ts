/**
 * The TCP sockets of this host as Linux lists them (proc_pid_net_tcp(5)), which says what Node.js cannot ask a descriptor.
 * A socket is found there by its inode. Nothing is listed elsewhere.
 */
import { readFileSync, readlinkSync } from 'node:fs';

/** A line of the table; all but the inode is in hexadecimal. */
export interface TcpSocket {
  readonly inode: string;
  /** Address and port, with a colon between them. */
  readonly local: string;
  readonly state: string;
  /** Bytes that wait to be sent, and those that wait to be read, with a colon between them. */
  readonly queues: string;
}

const TABLES: readonly string[] = ['/proc/self/net/tcp', '/proc/self/net/tcp6'];
/** Number, local address, remote address, state, queues, timer, retransmits, user, timeout, inode. */
const LINE = /^ *\d+: (\S+) \S+ (\S+) (\S+) \S+ \S+ +\d+ +\d+ (\d+)/gm;

/** The inode of the socket behind a descriptor; undefined where there is none. */
export function inodeOf(fd: number | undefined): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
  } catch {
    return undefined;
  }
}

/** Costs a microsecond for each socket of the system. */
export function listTcpSockets(): readonly TcpSocket[] {
  return TABLES.flatMap((path) => parseTable(readIfThere(path)));
}

/** Exported for its test. */
export function parseTable(table: string): readonly TcpSocket[] {
  const sockets: TcpSocket[] = [];
  for (const [, local = '', state = '', queues = '', inode = ''] of table.matchAll(LINE))
    sockets.push({ inode, local, state, queues });
  return sockets;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
