/** How connections are opened that probe replicas: by the protocol that replicas speak. */
import type { Config } from '../config/config.ts';
import { type ConnectProbe, connectHttp1 } from '../fleet/health/probe-connection.ts';
import type { Clock } from '../platform/clock.ts';
import { connectUpstream } from '../proxy/upstream/early-response.ts';
import { connectUpstreamHttp2 } from '../proxy/upstream/http2/http2-sessions.ts';
import { upstreamTlsOf } from './upstream-tls.ts';

export function probeConnectionsOf(config: Config, clock: Clock): ConnectProbe {
  const tls = upstreamTlsOf(config);
  if (config.upstreamProtocol === 'http1') return connectHttp1(tls);
  const nowMs = (): number => clock.nowMs();
  return ({ host, port, tls: isTls }) =>
    connectUpstreamHttp2(isTls === true ? tls : undefined, connectUpstream, nowMs)({ host, port });
}
