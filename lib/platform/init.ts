/**
 * The duties of process 1 in a container: orphaned processes become its children and stay zombies until it waits for
 * them. Node.js waits only for what it started, so a shell takes over as process 1, runs the balancer as its child,
 * reaps whatever ends and forwards signals.
 */
import { existsSync } from 'node:fs';

const SHELL = '/bin/sh';

/** `wait` returns early after a signal; the child has ended once its process is gone. */
const INIT = `
child=
forward() { [ "$child" ] || exit 1; kill -s "$1" "$child" 2>/dev/null; }
for signal in HUP INT QUIT TERM; do trap "forward $signal" "$signal"; done
"$@" &
child=$!
while :; do
  wait "$child"
  status=$?
  kill -0 "$child" 2>/dev/null || exit "$status"
done
`;

/**
 * If this is process 1, replaces it with a shell that starts this program again, and does not return. To be called
 * before anything is opened or started.
 */
export function runUnderInit(): void {
  if (process.pid !== 1 || process.execve === undefined || !existsSync(SHELL)) return;
  // behind `--`, or Node.js would take the option --env-file for its own
  const program = [process.execPath, ...process.execArgv, '--', ...process.argv.slice(1)];
  process.execve(SHELL, [SHELL, '-c', INIT, 'ringlb', ...program], process.env);
}
