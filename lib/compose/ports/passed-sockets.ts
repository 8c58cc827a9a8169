/**
 * Listening sockets that systemd has opened and passes as descriptors from 3 up (sd_listen_fds(3), systemd.socket(5)).
 * Invariant: what is returned listens on TCP, so that a wrong unit file is told of before anything is served.
 * Node.js can neither ask a descriptor what it is nor duplicate it, so each of them is to be used once.
 */
import { BalancerError } from '../../platform/errors.ts';
import { inodeOf, listTcpSockets, type TcpSocket } from '../../platform/tcp-sockets.ts';

/** By their `FileDescriptorName=`: the option that they take the place of. */
export type PassedName = 'port' | 'tls-port' | 'admin-port';

export interface PassedSocket {
  readonly fd: number;
  /** The address that it listens on; '' is all interfaces. */
  readonly host: string;
  readonly port: number;
}

export type PassedSockets = Readonly<Record<PassedName, readonly PassedSocket[]>>;

type Environment = Record<string, string | undefined>;

/** How to find out where a descriptor listens; undefined where it is no listening TCP socket. */
export type FindAddress = (fd: number) => Omit<PassedSocket, 'fd'> | undefined;

const FIRST_FD = 3;
const VARIABLES = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'] as const;
/** What systemd calls a socket without a name. */
const UNNAMED = 'unknown';
const LISTENING = '0A';

/** True where sockets are passed to this process, or were meant to be. */
export function hasPassedSockets({ LISTEN_FDS: count = '' }: Environment): boolean {
  return count !== '' && count !== '0';
}

/**
 * The sockets that are passed, and undefined without any. Removes the variables, since no child may take them for its
 * own. Throws `bad-request` where they make no sense.
 */
export function takePassedSockets(
  environment: Environment,
  pid = process.pid,
  find: FindAddress = findListening,
): PassedSockets | undefined {
  const { LISTEN_PID: owner, LISTEN_FDS: given = '', LISTEN_FDNAMES: listed = '' } = environment;
  const isPassed = hasPassedSockets(environment);
  for (const name of VARIABLES) delete environment[name];
  if (!isPassed) return undefined;
  if (!/^\d{1,4}$/.test(given)) throw wrong(`LISTEN_FDS must be a number of sockets, not ${given}`);
  if (owner !== String(pid))
    throw wrong(
      `sockets were passed to process ${owner ?? '(no LISTEN_PID)'}, but this one is ${pid}: start ringlb itself in ExecStart, not a shell or npx that starts it`,
    );
  const names = listed === '' ? [] : listed.split(':');
  const sockets: Record<PassedName, PassedSocket[]> = { port: [], 'tls-port': [], 'admin-port': [] };
  for (let index = 0; index < Number(given); index++) {
    const fd = FIRST_FD + index;
    const name = nameOf(fd, names[index]);
    const found = find(fd);
    if (found === undefined)
      throw wrong(`descriptor ${fd} (${name}) is no TCP socket that listens: use ListenStream= with a port`);
    sockets[name].push({ fd, ...found });
  }
  for (const [name, list] of Object.entries(sockets)) mustBeOnePort(name, list);
  if (sockets['admin-port'].length > 1) throw wrong('pass one socket named admin-port: one thread serves it');
  return sockets;
}

function nameOf(fd: number, given = UNNAMED): PassedName {
  switch (given) {
    case UNNAMED:
    case '':
    case 'port':
      return 'port';
    case 'tls-port':
    case 'admin-port':
      return given;
    default:
      throw wrong(
        `descriptor ${fd} is named ${given}: FileDescriptorName= must be port, tls-port or admin-port`,
      );
  }
}

function mustBeOnePort(name: string, sockets: readonly PassedSocket[]): void {
  const ports = new Set(sockets.map(({ port }) => port));
  if (ports.size > 1)
    throw wrong(`all sockets named ${name} must have one port, not ${[...ports].join(' and ')}`);
}

function wrong(problem: string): BalancerError {
  return new BalancerError('bad-request', `socket activation: ${problem}`);
}

/** Where the kernel says that the descriptor listens. */
function findListening(fd: number): ReturnType<FindAddress> {
  const inode = inodeOf(fd);
  return inode === undefined ? undefined : addressIn(listTcpSockets(), inode);
}

/** The address of the listening socket with this inode; exported for its test. */
export function addressIn(sockets: readonly TcpSocket[], inode: string): ReturnType<FindAddress> {
  const found = sockets.find((one) => one.inode === inode && one.state === LISTENING);
  if (found === undefined) return undefined;
  const [address = '', port = ''] = found.local.split(':');
  return { host: hostOf(address), port: Number.parseInt(port, 16) };
}

/** Words of four bytes, each in the byte order of the machine, which is little-endian wherever Node.js runs but on s390x. */
function hostOf(hex: string): string {
  if (/^0+$/.test(hex)) return '';
  const bytes = Buffer.from(hex, 'hex');
  const isMapped = hex.length === 32 && hex.startsWith('0000000000000000FFFF0000');
  bytes.swap32();
  if (hex.length === 8) return bytes.join('.');
  if (isMapped) return bytes.subarray(12).join('.');
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  return groups.join(':');
}
