/**
 * Downloads that nobody reads, a process of its own: `node stalled-load.ts <port> <path> <connections>`. All connect and
 * send a GET at once; no byte of a response is read, so that the peer can send no more than the sockets hold. Prints one
 * line of JSON when it is interrupted.
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';

export interface StalledReport {
  /** Connections to the port that are still open on both sides. */
  readonly open: number;
}

const [port = 0, connections = 0] = [2, 4].map((at) => Number(process.argv[at]));
const request = `GET ${process.argv[3]} HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`;
/** The state of an open connection in `/proc/net/tcp` (proc(5)). */
const ESTABLISHED = '01';

/** Asks the kernel: a socket that is never read does not notice that the other side has closed it. */
function countOpen(): number {
  const remote = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = readFileSync('/proc/net/tcp', 'latin1').split('\n');
  const fields = lines.map((line) => line.trim().split(/\s+/));
  return fields.filter((field) => field[2] === remote && field[3] === ESTABLISHED).length;
}

for (let count = 0; count < connections; count++) {
  const socket = connect({ port, host: '127.0.0.1' });
  // a socket reads ahead unless it is paused before it is connected
  socket.pause();
  socket.write(request);
  socket.on('error', () => {});
}
// sockets that do not read keep no process alive
setInterval(() => {}, 60_000);

process.once('SIGINT', () => {
  const report: StalledReport = { open: countOpen() };
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
});
