/**
 * Where a rehearsal takes place: the parts of a worker, as those of the real one but for their memory, their port and
 * their replica, which are their own. Invariant: nothing is left of it once it is closed.
 */
import { RouteTableWriter } from '../../core/routing/route-table.ts';
import { createMetricsMemory } from '../../metrics/layout.ts';
import { NO_DESCRIPTORS } from '../bind.ts';
import { Listener } from '../downstream/listener.ts';
import { WorkerContext } from '../exchange/worker-context.ts';
import { createRequestIds } from '../headers/request-ids.ts';
import { TrustedProxies } from '../headers/trusted-proxies.ts';
import type { WorkerOptions, WorkerStart } from '../worker-protocol.ts';
import { StandIn } from './stand-in.ts';

/** Places in the table that the one stand-in takes, since a request should have a choice. */
const REPLICAS = 3;

/**
 * What differs from the options of the worker: the port, what a rehearsal does without, and the limits that its own
 * requests would meet.
 */
const OWN_OPTIONS = {
  host: '127.0.0.1',
  port: 0,
  tlsRedirect: 'off',
  upstreamProtocol: 'http1',
  proxyProtocol: false,
  maxBodyBytes: 0,
  maxConnections: 1024,
  maxInFlight: 256,
} as const satisfies Partial<WorkerOptions>;

export class Stage {
  readonly #context: WorkerContext;
  readonly #listener: Listener;
  readonly #table: RouteTableWriter;
  readonly #standIn = new StandIn();

  constructor(start: WorkerStart) {
    // a copy of the same shape: code that is compiled for one shape of the options is compiled again for the other
    const options: WorkerOptions = Object.assign(structuredClone(start.options), OWN_OPTIONS);
    const shape = { slots: start.shape.slots, ordinals: REPLICAS, workers: 1 };
    this.#table = new RouteTableWriter(shape);
    const own: WorkerStart = {
      worker: 0,
      table: this.#table.buffer,
      shape,
      metrics: createMetricsMemory(shape),
      options,
      limits: { rates: undefined, connections: undefined },
      tls: undefined,
      descriptors: NO_DESCRIPTORS,
      upstreams: [],
      isRehearsed: false,
    };
    const trusted = new TrustedProxies(options.trustedProxies);
    const dropMessage = (): void => {};
    this.#context = new WorkerContext(own, trusted, dropMessage, () => performance.now());
    this.#listener = new Listener(this.#context, trusted, createRequestIds(options), dropMessage);
  }

  /** Opens the loopback ports; resolves with the one to send requests to. */
  async open(): Promise<number> {
    const endpoint = { host: '127.0.0.1', port: await this.#standIn.listen() };
    const ordinals = Array.from({ length: REPLICAS }, (_, ordinal) => ordinal);
    for (const ordinal of ordinals) this.#table.setState(ordinal, 'healthy');
    this.#table.publish((slots) => {
      for (let slot = 0; slot < slots.length; slot++) slots[slot] = slot % REPLICAS;
    });
    this.#context.pools.update(
      ordinals.map((ordinal) => ({ ordinal, name: `S${ordinal}`, endpoint, generation: ordinal })),
    );
    return (await this.#listener.listen(NO_DESCRIPTORS)).port;
  }

  /** As the worker does ten times a second. */
  tick(): void {
    this.#context.tick();
    this.#listener.tick();
  }

  close(): void {
    void this.#listener.drain();
    this.#context.pools.update([]);
    this.#context.queue.close();
    this.#table.wakeAll();
    this.#standIn.close();
  }
}
