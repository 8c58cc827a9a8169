/** An endpoint that never accepts a connection, so that connecting hangs. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { Worker } from 'node:worker_threads';
import type { Endpoint } from '../../lib/core/replica.ts';

/** Linux lets one more in than the backlog says; the rest of the SYNs go unanswered. */
const FILL = 4;

/** A thread listens and then sleeps for ever, so what the kernel's backlog cannot hold is left without a response. */
const LISTENER = `
  const { parentPort } = require('node:worker_threads');
  const server = require('node:net').createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });`;

/** Gone when the test `t` is over. */
export async function unresponsiveEndpoint(t: { after(run: () => unknown): void }): Promise<Endpoint> {
  const worker = new Worker(LISTENER, { eval: true });
  const [port] = (await once(worker, 'message')) as [number];
  const fillers = Array.from({ length: FILL }, () => connect(port, '127.0.0.1').on('error', () => undefined));
  await once(fillers[0]!, 'connect');
  t.after(async () => {
    for (const filler of fillers) filler.destroy();
    await worker.terminate();
  });
  return { host: '127.0.0.1', port };
}
