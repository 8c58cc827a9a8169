/** How an instance ended, from its exit status, its signal and the last lines of its output. Pure. */
import { constants } from 'node:os';
import { type Ending, isFromOutside } from '../core/ending.ts';
import { crashLine } from './crash-line.ts';

/** What is known about an end; `stderr` and `stdout` are the last bytes written there. */
export interface End {
  readonly code: number | null;
  readonly signal: string | null;
  /** The OOM killer killed one of its processes, not necessarily the main one. */
  readonly outOfMemory: boolean;
  readonly stderr: string;
  readonly stdout: string;
}

/** Reversed, since some numbers have a second name, which is listed later. */
const signalNames = new Map(
  Object.entries(constants.signals)
    .reverse()
    .map(([name, number]) => [number, name]),
);

/** A status of 128 + n is read as signal n, the convention of shells and container engines. */
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
  const line = isOfInterest ? crashLine(end.stderr, end.stdout) : '';
  // a worker was killed, and its parent exited because of it
  const more = end.outOfMemory ? ' (a process of it was killed: out of memory)' : '';
  return { ...plain, text: `${plain.text}${line === '' ? '' : `: ${line}`}${more}` };
}
