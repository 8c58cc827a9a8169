/**
 * A load of new TLS connections, a process of its own: `node handshake-load.ts <port> <path> <connections> resume|full`.
 * Each connection carries one request, as a browser's that comes back, and resumes the session of the one before, or none; so
 * many are open at a time. Prints one line of JSON when it is interrupted. How many sessions were resumed is part of
 * the report, since that is what is measured.
 */
import { connect } from 'node:tls';
import { percentile } from './stats.ts';

export interface HandshakeReport {
  readonly requests: number;
  /** Of the requests, those on a resumed session. */
  readonly resumed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errors: number;
}

const [port = 0, connections = 0] = [2, 4].map((at) => Number(process.argv[at]));
const path = process.argv[3]!;
const resumes = process.argv[5] === 'resume';
const request = `GET ${path} HTTP/1.1\r\nHost: localhost:${port}\r\nConnection: close\r\n\r\n`;
const latenciesMs: number[] = [];
let [resumed, errors] = [0, 0];

/** One connection after the other, each with the last session that the peer gave. */
function run(session: Buffer | undefined): void {
  const begunMs = performance.now();
  let latest = session;
  let isServed = false;
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    rejectUnauthorized: false,
    // what every peer has: with ML-KEM, which OpenSSL has from 3.5 on, a handshake costs a tenth more
    ecdhCurve: 'X25519',
    ...(session && { session }),
  });
  socket.setNoDelay(true);
  socket.on('session', (given) => {
    latest = given;
  });
  socket.once('secureConnect', () => {
    if (socket.isSessionReused()) resumed++;
    socket.write(request);
  });
  socket.once('data', (data: Buffer) => {
    isServed = data.toString('latin1', 0, 12) === 'HTTP/1.1 200';
    latenciesMs.push(performance.now() - begunMs);
  });
  socket.on('error', () => {});
  socket.once('close', () => {
    if (!isServed) errors++;
    run(resumes ? latest : undefined);
  });
}

process.once('SIGINT', () => {
  const sorted = Float64Array.from(latenciesMs).sort();
  const report: HandshakeReport = {
    requests: latenciesMs.length,
    resumed,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    errors,
  };
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
});

for (let count = 0; count < connections; count++) run(undefined);
