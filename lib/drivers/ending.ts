/**
 * How an instance ended, from what the system says of it and what it wrote last. Pure.
 * Must not hold: how a driver comes to know it.
 */
import { constants } from 'node:os';
import { type Ending, isFromOutside } from '../core/ending.ts';
import { tellingLine } from './crash-line.ts';

/** What is known of an end; `stderr` and `stdout` are the last of what it wrote there. */
export interface End {
  readonly code: number | null;
  readonly signal: string | null;
  /** The kernel killed something of it for its memory, which need not be what ended it. */
  readonly outOfMemory: boolean;
  readonly stderr: string;
  readonly stdout: string;
}

/** Some have a second name, which comes later. */
const signalNames = new Map(
  Object.entries(constants.signals)
    .reverse()
    .map(([name, number]) => [number, name]),
);

/** 128 + n is read as signal n, as shells and container engines say it. */
export function endingFrom(end: End): Ending {
  const { code } = end;
  const signal = end.signal ?? signalNames.get((code ?? 0) - 128) ?? null;
  if (end.outOfMemory && signal === 'SIGKILL')
    return { kind: 'out-of-memory', code, signal, text: 'out of memory' };
  const plain: Ending =
    signal === null
      ? { kind: 'exit', code: code ?? 0, signal, text: `exit ${code ?? 0}` }
      : { kind: 'signal', code, signal, text: signal };
  const isOfInterest = plain.code !== 0 && !isFromOutside(plain);
  const line = isOfInterest ? tellingLine(end.stderr, end.stdout) : '';
  // a worker was killed, and what ended is its parent
  const more = end.outOfMemory ? ' (a process of it was killed: out of memory)' : '';
  return { ...plain, text: `${plain.text}${line === '' ? '' : `: ${line}`}${more}` };
}
