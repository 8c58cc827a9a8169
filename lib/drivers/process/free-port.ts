/**
 * Finds a free TCP port for a child process to listen on.
 * Ports are drawn from below every system's ephemeral range: inside it, an outgoing connection of ours could take the
 * port before the child does, or a probe could even connect to itself.
 */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const FIRST = 20_000;
const END = 32_768;
const MAX_TRIES = 200;

/** A free port that is not in `taken`; undefined when 200 draws found none. */
export async function findFreePort(taken: ReadonlySet<number>): Promise<number | undefined> {
  for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
    const port = randomInt(FIRST, END);
    if (!taken.has(port) && (await canListen(port))) return port;
  }
  return undefined;
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    // all interfaces, as most replicas bind; that fails too where only 127.0.0.1 is taken
    server.listen({ port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
