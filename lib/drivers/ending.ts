/**
 * How an instance ended, in words for a log line and for `/replicas`. Pure.
 * Must not hold: how a driver comes to know it.
 */
import { constants } from 'node:os';

/** What is known of an end; `stderr` is the last of what it wrote there. */
export interface End {
  readonly code: number | null;
  readonly signal: string | null;
  readonly outOfMemory: boolean;
  readonly stderr: string;
}

const MAX_LINE = 200;
const TELLING = /error|exception|fatal|panic|denied|not found|no such|cannot|failed/i;
const STACK_FRAME = /^\s+at |^Node\.js v/;

const signalNames = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

/** `exit 1: Error: no such file`, `SIGKILL` or `out of memory`; 128 + n is read as signal n, as shells do. */
export function endingOf(end: End): string {
  if (end.outOfMemory) return 'out of memory';
  if (end.signal !== null) return end.signal;
  const code = end.code ?? 0;
  const signal = signalNames.get(code - 128);
  if (signal !== undefined) return signal;
  const line = code === 0 ? '' : tellingLine(end.stderr);
  return line === '' ? `exit ${code}` : `exit ${code}: ${line}`;
}

/** The last line that names an error, else the last one that is not part of a stack trace; '' when there is none. */
function tellingLine(stderr: string): string {
  const lines = stderr
    .split('\n')
    .filter((line) => !STACK_FRAME.test(line))
    .map((line) => line.replace(/[\p{Cc}\s]+/gu, ' ').trim())
    .filter((line) => line !== '');
  const line = lines.findLast((candidate) => TELLING.test(candidate)) ?? lines.at(-1) ?? '';
  return line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)}…` : line;
}
