/** Endings by the words that a person would read. */
import type { Ending } from '../../../lib/core/ending.ts';

/** `exit 3: broken`, `SIGKILL`, `out of memory`, `removed`; anything else was taken away from outside. */
export function endingIn(text: string): Ending {
  const code = /^exit (\d+)/.exec(text)?.[1];
  if (code !== undefined) return { kind: 'exit', code: Number(code), signal: null, text };
  const signal = /^SIG[A-Z]+/.exec(text)?.[0];
  if (signal !== undefined) return { kind: 'signal', code: null, signal, text };
  const kind = text.startsWith('out of memory') ? 'out-of-memory' : 'removed';
  return { kind, code: null, signal: null, text };
}
