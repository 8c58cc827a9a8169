/**
 * Entry of a worker thread of the data plane: its context, its listener, and the messages of the control plane. A worker
 * that fails ends, and the control plane starts another.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { ThreadHealth } from '../metrics/thread-health.ts';
import { systemClock } from '../platform/clock.ts';
import { errnoOf, messageOf } from '../platform/errors.ts';
import { Listener } from './downstream/listener.ts';
import { TICK_MS, WorkerContext } from './exchange/worker-context.ts';
import { createRequestIds } from './headers/request-ids.ts';
import { TrustedProxies } from './headers/trusted-proxies.ts';
import { rehearse } from './rehearsal/rehearsal.ts';
import type { MessageFromWorker, MessageToWorker, WorkerStart } from './worker-protocol.ts';

const start = workerData as WorkerStart;
const port = parentPort;
if (port === null) throw new Error('worker.ts runs as a thread');
const post = (message: MessageFromWorker): void => port.postMessage(message);

// Node would write it to stderr, which may block
if (process.listenerCount('warning') > 0) {
  process.removeAllListeners('warning');
  process.on('warning', (warning) => post({ kind: 'warning', cause: warning.stack ?? messageOf(warning) }));
}

// before there is anything of the worker that it could touch; messages wait until then
if (start.isRehearsed) post(await rehearse(start));

// one clock for all workers: the clock of `performance` begins anew with each
const sinceBootMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();
const trusted = new TrustedProxies(start.options.trustedProxies);
const context = new WorkerContext(start, trusted, post, () => sinceBootMs + performance.now());
const listener = new Listener(context, trusted, createRequestIds(start.options), (isShedding, connections) =>
  post({ kind: 'shedding', isShedding, connections }),
);

new ThreadHealth(context.recorder.thread, systemClock);

port.on('message', (message: MessageToWorker) => {
  switch (message.kind) {
    case 'upstreams':
      context.pools.update(message.upstreams);
      post({ kind: 'applied', sequence: message.sequence });
      break;
    case 'options':
      context.configure(message.options, message.limits);
      listener.configure();
      post({ kind: 'applied', sequence: message.sequence });
      break;
    case 'close-tunnels':
      context.active.tunnels.goAway(message.ordinal, context.nowMs, message.withinMs);
      break;
    case 'stop-accepting':
      void listener.stopAccepting().then(() => post({ kind: 'applied', sequence: message.sequence }));
      break;
    case 'drain':
      context.isDraining = true;
      void listener.drain().then(() => {
        context.access.log.flush();
        post({ kind: 'drained' });
      });
      break;
    case 'tls':
      listener.setTlsMaterial(message.material);
      break;
    case 'poison':
      context.verdicts.setPoison(message.kinds);
      break;
    case 'verdict':
      context.verdicts.resolve(message.sequence, message.isPoison);
      break;
    case 'logged':
      context.access.log.written(message.bytes);
      break;
  }
});

setInterval(() => {
  context.tick();
  listener.tick();
}, TICK_MS);

listener.listen(start.descriptors).then(
  ({ port: listening }) => post({ kind: 'listening', port: listening }),
  (error: unknown) =>
    post({ kind: 'failed', code: errnoOf(error), message: messageOf(error), port: portOf(error) }),
);

/** The port that a system error of `listen` is about; 0 where it does not say. */
function portOf(error: unknown): number {
  return error instanceof Error && 'port' in error && typeof error.port === 'number' ? error.port : 0;
}
