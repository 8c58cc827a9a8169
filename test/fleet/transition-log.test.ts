import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Transition } from '../../lib/fleet/replica.ts';
import { TransitionLog } from '../../lib/fleet/transition-log.ts';
import type { Logger } from '../../lib/platform/log.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { silentLogger } from '../helpers/silent-logger.ts';

/** The lines that a change of S1 makes. */
function linesOf(from: Transition['from'], to: Transition['to'], cause: string): readonly string[] {
  const lines: string[] = [];
  const note = (level: string) => (_: object, text: string) => lines.push(`${level} ${text}`);
  const log: Logger = { ...silentLogger, info: note('info'), warn: note('warn') };
  new TransitionLog(log, new FakeClock()).note({
    name: 'S1',
    from,
    to,
    cause,
    instanceId: 'a',
    ms: 5,
  } as Transition);
  return lines;
}

for (const [from, to, cause, line] of [
  ['healthy', 'starting', 'SIGKILL', 'warn S1 died (SIGKILL), starting another'],
  ['unhealthy', 'starting', 'probe failed: 503', 'info S1 is replaced (probe failed: 503)'],
  ['healthy', 'unhealthy', 'probe failed: 503', 'warn S1 is unhealthy (probe failed: 503)'],
  ['starting', 'healthy', 'probe passed: 200', 'info S1 is healthy'],
  ['draining', 'gone', 'drained', 'info S1 is gone (drained)'],
] as const) {
  it(`changing from ${from} to ${to} is logged with name and cause`, () => {
    assert.deepEqual(linesOf(from, to, cause), [line]);
  });
}

it('a long cause is cut in the message', () => {
  const [line = ''] = linesOf('healthy', 'unhealthy', 'x'.repeat(500));
  assert.match(line, /^warn S1 is unhealthy \(x{159}…\)$/);
});
