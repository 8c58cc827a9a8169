/**
 * Reads the body of a request whole, within limits of size and time.
 * Invariant: the promise settles exactly once, and leaves no listener and no timer.
 */
import type { IncomingMessage } from 'node:http';
import type { Clock, Timer } from '../platform/clock.ts';
import { BalancerError } from '../platform/errors.ts';

export interface BodyLimits {
  /** The most bytes of a body. */
  readonly maxBodyBytes: number;
  /** The longest wait for the next bytes of a body. */
  readonly bodyIdleMs: number;
  /** The longest time from the head of a request to the end of its body. */
  readonly bodyTotalMs: number;
}

/** True where bytes of a body may still come; only a connection with none left can be used again. */
export function hasUnreadBody(request: IncomingMessage): boolean {
  const { 'transfer-encoding': encoding, 'content-length': length } = request.headers;
  return !request.complete && (encoding !== undefined || Number(length ?? 0) > 0);
}

/**
 * The body as text. Throws BalancerError: `body-too-large` (at once where Content-Length tells), `request-timeout`,
 * or `bad-request` where it is cut off or not UTF-8. What is left of the body then stays unread.
 * `askForBody` is called first where the client waits for a 100 (`Expect: 100-continue`).
 */
export async function readBody(
  request: IncomingMessage,
  limits: BodyLimits,
  clock: Clock,
  askForBody?: () => void,
): Promise<string> {
  if (Number(request.headers['content-length'] ?? 0) > limits.maxBodyBytes) throw tooLarge(limits);
  askForBody?.();
  const bytes = await collect(request, limits, clock);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new BalancerError('bad-request', 'The body is not UTF-8');
  }
}

function tooLarge({ maxBodyBytes }: BodyLimits): BalancerError {
  return new BalancerError('body-too-large', `The body is larger than ${maxBodyBytes} bytes`);
}

function collect(request: IncomingMessage, limits: BodyLimits, clock: Clock): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  const onLate = () => reject(new BalancerError('request-timeout'));
  const total = clock.after(limits.bodyTotalMs, onLate);
  let idle: Timer = clock.after(limits.bodyIdleMs, onLate);
  const onData = (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > limits.maxBodyBytes) return reject(tooLarge(limits));
    chunks.push(chunk);
    idle.cancel();
    idle = clock.after(limits.bodyIdleMs, onLate);
  };
  const onEnd = () => resolve(Buffer.concat(chunks, bytes));
  // also emitted after `end`, when the promise is settled
  const onGone = () => reject(new BalancerError('bad-request', 'The body was cut off'));
  request.on('data', onData).on('end', onEnd).on('close', onGone).on('error', onGone);
  return promise.finally(() => {
    total.cancel();
    idle.cancel();
    request.off('data', onData).off('end', onEnd).off('close', onGone).off('error', onGone);
  });
}
