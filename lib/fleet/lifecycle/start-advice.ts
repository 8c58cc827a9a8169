/**
 * A sentence for people on why an instance that runs was not healthy in time, and which option helps.
 */
import { type Endpoint, formatEndpoint } from '../../core/replica.ts';
import type { DriverKind } from '../../drivers/driver.ts';

export interface LateStart {
  readonly timeoutMs: number;
  readonly endpoint: Endpoint | undefined;
  readonly driver: DriverKind;
  readonly probePath: string;
  /** 0 is the endpoint's own. */
  readonly probePort: number;
  /** What the last probe found; undefined where none has ended yet. */
  readonly lastProbe: string | undefined;
}

/** Names `--start-timeout`, and what the last probe points at. */
export function describeLateStart(late: LateStart): string {
  return `not healthy within ${late.timeoutMs} ms (--start-timeout): ${diagnose(late)}`;
}

function diagnose({ lastProbe, probePath, probePort, endpoint, driver }: LateStart): string {
  if (endpoint === undefined) return 'it has no address';
  const port = probePort === 0 ? endpoint.port : probePort;
  const where = formatEndpoint({ host: endpoint.host, port });
  if (lastProbe === undefined) return `no probe of ${where} has ended`;
  if (/^[23]\d\d$/.test(lastProbe)) return `${probePath} responded with ${lastProbe} last (--probe-expect)`;
  if (/^\d{3}$/.test(lastProbe))
    return `${probePath} responds with ${lastProbe}: is there another path for --probe-path?`;
  if (lastProbe !== 'connection refused') return `last probe of ${where}${probePath}: ${lastProbe}`;
  return `connection refused at ${where}: does it listen on ${wantedPort({ driver, port, probePort })}?`;
}

function wantedPort({
  driver,
  port,
  probePort,
}: Pick<LateStart, 'driver' | 'probePort'> & { port: number }): string {
  const option = probePort === 0 ? '--replica-port' : '--probe-port';
  if (driver === 'docker') return `port ${port} (${option}), and on 0.0.0.0 rather than 127.0.0.1`;
  return probePort === 0 ? 'the port that PORT says' : `port ${port} (${option})`;
}
