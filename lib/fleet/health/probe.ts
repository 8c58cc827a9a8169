/**
 * One probe of one instance: an HTTP request, or a mere connection where probing by HTTP is off.
 * Must not hold: when to probe, or what follows. Runs on the control plane, on connections of its own, so that a
 * probe finds what a new client would find.
 */
import { request } from 'node:http';
import { connect } from 'node:net';
import type { Endpoint } from '../../core/replica.ts';
import { errnoOf, messageOf } from '../../errors.ts';

/** What a probe found, and in which words. */
export interface ProbeResult {
  readonly passed: boolean;
  /** `200`, `connection refused`, `no answer in 2000 ms`. */
  readonly said: string;
}

const IN_WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
};

/** Asks for `path`; 2xx and 3xx pass. The answer's body may be anything. Never rejects. */
export function probeHttp(endpoint: Endpoint, path: string, timeoutMs: number): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const { host, port } = endpoint;
    const probe = request({ host, port, path, agent: false, headers: { 'User-Agent': 'ringlb-probe' } });
    const timer = setTimeout(() => end(false, `no answer in ${timeoutMs} ms`), timeoutMs);
    const end = (passed: boolean, said: string): void => {
      clearTimeout(timer);
      resolve({ passed, said });
      probe.destroy();
    };
    probe.on('response', (response) => {
      const status = response.statusCode ?? 0;
      end(status >= 200 && status < 400, String(status));
    });
    probe.on('error', (error) => end(false, inWords(error)));
    probe.end();
  });
}

/** Connects, no more. Never rejects. */
export function probeTcp({ host, port }: Endpoint, timeoutMs: number): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (passed: boolean, said: string): void => {
      socket.destroy();
      resolve({ passed, said });
    };
    socket.setTimeout(timeoutMs, () => end(false, `no connection in ${timeoutMs} ms`));
    socket.on('connect', () => end(true, 'connected'));
    socket.on('error', (error) => end(false, inWords(error)));
  });
}

function inWords(error: unknown): string {
  return IN_WORDS[errnoOf(error)] ?? messageOf(error);
}
