/**
 * What a request that asks for it (`x-ringlb-debug: 1`) is told with its answer: which replica, after how many
 * attempts, and where the time went. Must not hold: measuring (`request-record.ts`).
 * Invariant: only who may look is told. The header itself never reaches a replica (`request-headers.ts`), and no token is ever
 * asked for in it or beside it, since that would.
 */
import { guardsPublicPort, type PublicAccess } from '../../api/peer-header.ts';
import { isLoopback, isPrivateAddress } from '../../platform/ip-addresses.ts';

/** From which addresses it is heeded. */
export type DebugFor = 'nobody' | 'loopback' | 'private';

/** Who may steer the fleet on the public port may also see how it works; with a token only this machine may. */
export function debugFor(access: PublicAccess): DebugFor {
  if (!access.publicAdmin) return 'nobody';
  return guardsPublicPort(access) ? 'loopback' : 'private';
}

/** What is known of the peer of a connection. */
interface PeerInfo {
  readonly ip: string;
  /** It is a proxy, and speaks for who knows whom. */
  readonly trusted: boolean;
}

/** True where a client with this peer address is told. */
export function mayDebug({ ip, trusted }: PeerInfo, debugFor: DebugFor): boolean {
  if (trusted || debugFor === 'nobody') return false;
  return debugFor === 'private' ? isPrivateAddress(ip) : isLoopback(ip);
}

export interface DebugInfo {
  /** The replica that answered or was asked last; undefined where none was. */
  readonly replica: string | undefined;
  /** How many replicas the request was given to. */
  readonly attempts: number;
  /** Time without a replica, and without a connection to one. */
  readonly queueMs: number;
  readonly connectMs: number;
  /** From the request's head to the answer's; below zero where no replica answered. */
  readonly firstByteMs: number;
}

/** The header lines. */
export function debugLines({ replica, attempts, queueMs, connectMs, firstByteMs }: DebugInfo): string {
  let lines = replica === undefined ? '' : `x-ringlb-replica: ${replica}\r\n`;
  lines += `x-ringlb-attempts: ${attempts}\r\n`;
  lines += `x-ringlb-queue-ms: ${queueMs.toFixed(1)}\r\nx-ringlb-connect-ms: ${connectMs.toFixed(1)}\r\n`;
  if (firstByteMs >= 0) lines += `x-ringlb-first-byte-ms: ${firstByteMs.toFixed(1)}\r\n`;
  return lines;
}
