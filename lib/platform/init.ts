/**
 * What process 1 of a container has to do beside its own work: every process whose parent has ended becomes its child,
 * and stays a zombie until it is waited for. Node.js waits for nothing that it did not start, so a shell takes its
 * place, starts it again as a child, waits for whatever ends, and hands signals on.
 */
import { existsSync } from 'node:fs';

const SHELL = '/bin/sh';

/** `wait` ends early where a signal was handed on; the child's own end is known by its process being gone. */
const INIT = `
child=
hand_on() { [ "$child" ] || exit 1; kill -s "$1" "$child" 2>/dev/null; }
for signal in HUP INT QUIT TERM; do trap "hand_on $signal" "$signal"; done
"$@" &
child=$!
while :; do
  wait "$child"
  status=$?
  kill -0 "$child" 2>/dev/null || exit "$status"
done
`;

/**
 * Puts a shell in the place of this process, which starts this program again, where this is process 1; that way this
 * function does not return. Nothing may be open or started yet.
 */
export function giveWayToInit(): void {
  if (process.pid !== 1 || process.execve === undefined || !existsSync(SHELL)) return;
  const program = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  process.execve(SHELL, [SHELL, '-c', INIT, 'ringlb', ...program], process.env);
}
