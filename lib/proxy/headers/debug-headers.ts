/**
 * The headers of a response to a request that asks for them (`x-ringlb-debug: 1`): which replica, after how many attempts,
 * and where the time went.
 * Invariant: only clients that `--debug-headers` allows get them. They are told apart by address and not by a token, since
 * a token in a request would reach the replica; the asking header itself does not (`request-headers.ts`).
 */
import { guardsPublicPort, type PublicAccess } from '../../api/peer-header.ts';
import { isLoopback, isPrivateAddress } from '../../platform/ip-addresses.ts';

/** From which addresses the header is honoured. */
export type DebugFor = 'nobody' | 'loopback' | 'private';

/** Who may steer the fleet on the public port may also see how it works; with a token only this machine may. */
export function debugFor(access: PublicAccess): DebugFor {
  if (!access.publicAdmin) return 'nobody';
  return guardsPublicPort(access) ? 'loopback' : 'private';
}

/** What is known of the peer of a connection. */
interface PeerInfo {
  readonly ip: string;
  /** It is a proxy, and speaks for clients that may be anywhere. */
  readonly trusted: boolean;
}

/** True where a client at this peer address may get debug headers. */
export function mayDebug({ ip, trusted }: PeerInfo, debugFor: DebugFor): boolean {
  if (trusted || debugFor === 'nobody') return false;
  return debugFor === 'private' ? isPrivateAddress(ip) : isLoopback(ip);
}

export interface DebugInfo {
  /** The replica that responded, or that the request was given to last; undefined where there was none. */
  readonly replica: string | undefined;
  /** How many replicas the request was given to. */
  readonly attempts: number;
  /** Time without a replica, and without a connection to one. */
  readonly queueMs: number;
  readonly connectMs: number;
  /** From the request's head to the response's; below zero where no replica responded. */
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
