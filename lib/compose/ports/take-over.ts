/**
 * Takes the place of a balancer that runs on the same ports: both listen for a moment (SO_REUSEPORT), then the former
 * one is told to drain and end.
 * Invariant: until it is told so the former balancer goes on as if nothing was, so a start that fails costs nothing.
 */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { json } from 'node:stream/consumers';
import type { HandOverView, ReplicaView } from '../../api/types.ts';
import type { Config } from '../../config/config.ts';
import type { Clock } from '../../platform/clock.ts';
import { sleep } from '../../platform/clock.ts';
import { BalancerError, errnoOf, messageOf } from '../../platform/errors.ts';
import { reachableHost } from '../../platform/ip-addresses.ts';
import type { Logger } from '../../platform/log.ts';
import { request } from '../../platform/node/http.ts';

/** How long the former balancer may take to respond. */
const RESPONSE_MS = 10_000;
/** Between two looks at the own fleet before it takes over. */
const LOOK_MS = 50;
/** With 1 the kernel gives connections that nobody has accepted yet to the other listener when one closes. */
const MIGRATE_FILE = '/proc/sys/net/ipv4/tcp_migrate_req';

type Target = Pick<Config, 'adminHost' | 'adminPort' | 'adminToken'>;

/** The balancer that runs on the ports. */
export class FormerBalancer {
  readonly #target: Target;
  readonly #log: Logger;
  #socket: Socket | undefined;

  private constructor(target: Target, log: Logger) {
    this.#target = target;
    this.#log = log;
  }

  /** Undefined where none runs. Throws `port-in-use` where something else has the admin port. */
  static async find(target: Target, log: Logger): Promise<FormerBalancer | undefined> {
    const former = new FormerBalancer(target, log);
    try {
      await former.#connect();
    } catch (error) {
      if (errnoOf(error) !== 'ECONNREFUSED') throw error;
      log.info({}, 'no balancer runs on these ports: nothing to take over');
      return undefined;
    }
    const isBalancer = await former.#ask('GET', '/healthz').then(
      ({ status }) => status === 'successful',
      () => false,
    );
    if (isBalancer) return former;
    throw new BalancerError(
      'port-in-use',
      `admin port ${target.adminPort} is in use, but not by a balancer that can be taken over`,
    );
  }

  /** Opens the connection for `handOver`: to be called while the former balancer alone listens. */
  async connect(): Promise<void> {
    this.#socket = undefined;
    await this.#connect().catch((error: unknown) => {
      // it has ended, so that there is nobody to tell
      if (!['ECONNREFUSED', 'ECONNRESET'].includes(errnoOf(error))) throw error;
    });
  }

  #connect(): Promise<void> {
    const { adminHost, adminPort } = this.#target;
    const host = reachableHost(adminHost) || '127.0.0.1';
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port: adminPort }, () => {
        socket.off('error', reject);
        // what goes wrong later is the request's
        socket.on('error', () => {});
        this.#socket = socket;
        resolve();
      });
      socket.once('error', reject);
    });
  }

  /**
   * Tells it to drain and end. One that does not respond is left to itself: both serve then. Throws `start-failed`
   * where it refuses, and goes on.
   */
  async handOver(): Promise<void> {
    if (readMigration() === '0')
      this.#log.info(
        {},
        'connections that are being opened may be reset: set net.ipv4.tcp_migrate_req=1 to keep them',
      );
    if (this.#socket === undefined) return this.#log.warn({}, 'took over; the former balancer had ended');
    try {
      const { message } = await this.#ask('POST', '/hand-over');
      const { pid } = message as HandOverView;
      this.#log.info({ pid }, 'took over; the former balancer drains and ends');
    } catch (error) {
      if (error instanceof Refusal)
        throw new BalancerError('start-failed', `the running balancer does not hand over: ${error.message}`);
      this.#log.error(
        { cause: messageOf(error) },
        'the former balancer did not hand over, and may still serve',
      );
    }
  }

  async #ask(method: string, path: string): Promise<{ readonly status: string; readonly message: unknown }> {
    const { adminToken } = this.#target;
    const socket = this.#socket;
    // a request on a socket that is closed already would never end
    if (socket === undefined || socket.destroyed) throw new Error('its connection was closed');
    const headers = {
      host: '127.0.0.1',
      connection: 'close',
      ...(adminToken !== '' && { authorization: `Bearer ${adminToken}` }),
    };
    const options = { method, path, headers, createConnection: () => socket };
    return new Promise((resolve, reject) => {
      const sent = request(options, (response) => {
        json(response).then((body) => {
          const reply = body as { readonly status: string; readonly message: unknown };
          if (response.statusCode === 200) resolve(reply);
          else reject(new Refusal(String(reply.message).replace('<Error> ', '')));
        }, reject);
      });
      // an option `timeout` is for a socket that is yet to be made
      sent.setTimeout(RESPONSE_MS, () => sent.destroy(new Error(`no response in ${RESPONSE_MS / 1000} s`)));
      sent.on('error', reject);
      sent.end();
    });
  }
}

/** It responded, but does not do it. */
class Refusal extends Error {}

function readMigration(): string {
  try {
    return readFileSync(MIGRATE_FILE, 'utf8').trim();
  } catch {
    return '';
  }
}

/** What is looked at before the former balancer is told to end. */
export interface OwnFleet {
  replicas(): readonly Pick<ReplicaView, 'state' | 'probes' | 'instance'>[];
  /** It is started beside that of the other balancer, rather than adopted or looked up. */
  readonly isNew: boolean;
  /** Replicas of a fleet that is being started are not listed at once. */
  readonly least: number;
}

/**
 * Resolves once every replica of a new fleet is healthy; of another fleet, once each that runs has been probed and one is
 * healthy. Throws `start-failed` where that takes longer than `timeoutMs`.
 */
export async function untilFleetServes(fleet: OwnFleet, timeoutMs: number, clock: Clock): Promise<void> {
  const untilMs = clock.nowMs() + timeoutMs;
  // nothing listens yet, and the timers of the clock do not keep the process alive
  const alive = setInterval(() => {}, timeoutMs);
  try {
    while (!serves(fleet)) {
      if (clock.nowMs() >= untilMs)
        throw new BalancerError(
          'start-failed',
          `the fleet of the new balancer was not healthy in ${timeoutMs / 1000} s; the one that runs goes on`,
        );
      await sleep(clock, LOOK_MS);
    }
  } finally {
    clearInterval(alive);
  }
}

function serves({ replicas, isNew, least }: OwnFleet): boolean {
  const all = replicas();
  const healthy = all.filter(({ state }) => state === 'healthy').length;
  if (isNew) return all.length >= least && healthy === all.length;
  // what has ended is replaced by the other balancer, until this one may
  return (
    healthy > 0 &&
    all.every(
      ({ state, instance, probes }) => state === 'healthy' || instance === null || probes.last !== null,
    )
  );
}
