/**
 * Why an instance that runs was not healthy in time, and which option helps: a sentence for people.
 * Must not hold: decisions.
 */
import { type Endpoint, formatEndpoint } from '../core/replica.ts';
import type { DriverKind } from '../drivers/driver.ts';

export interface LateStart {
  readonly timeoutMs: number;
  readonly endpoint: Endpoint | undefined;
  readonly driver: DriverKind;
  readonly probePath: string;
  /** What the last probe found, in its words; undefined where none has ended yet. */
  readonly lastProbe: string | undefined;
}

/** Names `--start-timeout`, and what the last probe points at. */
export function lateStartReason(late: LateStart): string {
  return `not healthy within ${late.timeoutMs} ms (--start-timeout): ${findingOf(late)}`;
}

function findingOf({ lastProbe, probePath, endpoint, driver }: LateStart): string {
  if (endpoint === undefined) return 'it has no address';
  const where = formatEndpoint(endpoint);
  if (lastProbe === undefined) return `no probe of ${where} has ended`;
  if (/^[2-3]\d\d$/.test(lastProbe)) return `${probePath} has just been answered with ${lastProbe}`;
  if (/^\d+$/.test(lastProbe))
    return `${probePath} is answered with ${lastProbe}: is there another path for --probe-path?`;
  if (lastProbe !== 'connection refused') return `last probe of ${where}${probePath}: ${lastProbe}`;
  const asked =
    driver === 'docker'
      ? `port ${endpoint.port} (--replica-port), and on 0.0.0.0 rather than 127.0.0.1`
      : 'the port that PORT says';
  return `connection refused at ${where}: does it listen on ${asked}?`;
}
