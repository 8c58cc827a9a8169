/**
 * A whole balancer as a child process on free ports: started with options as a user writes them, asked over HTTP,
 * signalled and ended by its process id. Must not hold: assertions.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type IncomingHttpHeaders, request } from 'node:http';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ReplicaView } from '../../lib/api/types.ts';
import { findFreePort } from '../../lib/drivers/process/free-port.ts';
import { eventually } from './eventually.ts';
import { groupOf } from './processes.ts';

const MAIN = fileURLToPath(new URL('../../lib/main.ts', import.meta.url));
/** The cache halves the CPU time of a start, of which a run of all tests has hundreds. */
const SURROUNDINGS = Object.fromEntries(
  ['PATH', 'NODE_COMPILE_CACHE'].map((name) => [name, process.env[name] ?? '']),
);
const STOP_MS = 60_000;
/** A request that hears nothing for this long fails where it was sent, and not the suite as a whole. */
const SILENCE_MS = 120_000;
/** How long it may take to tell its metrics before it is asked to end. */
const METRICS_MS = 5000;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface AskOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One line of the log, as JSON. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly component?: string;
  readonly replica?: string;
  readonly from?: string;
  readonly to?: string;
  readonly cause?: string;
  readonly ms?: number;
  readonly instance?: string;
}

export interface End {
  readonly code: number | null;
  readonly signal: string | null;
}

/** How it is started, beside its options. */
export interface Surroundings {
  readonly env?: Readonly<Record<string, string>>;
  /** A program that ends by executing what follows it, and its arguments. */
  readonly through?: readonly string[];
  /** Arguments for node itself. */
  readonly node?: readonly string[];
  /** Where its log goes, for a test that does not want it read all the time. */
  readonly stderr?: number;
}

/** One request on a connection of its own; rejects where nothing answers or the answer is cut. */
export function ask(port: number, method: string, path: string, options: AskOptions = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const body = options.body === undefined ? '' : JSON.stringify(options.body);
    // for a method that seldom has a body node would send it without any framing
    const framing = body === '' ? {} : { 'content-length': Buffer.byteLength(body) };
    const asked = request(
      { host: '127.0.0.1', port, method, path, agent: false, headers: { ...framing, ...options.headers } },
      (response) => {
        const { statusCode: status = 0, headers } = response;
        text(response).then((answer) => resolve({ status, headers, body: answer }), reject);
      },
    );
    asked.once('error', reject);
    asked.setTimeout(SILENCE_MS, () => {
      asked.destroy(new Error(`${method} ${path} on port ${port} heard nothing for ${SILENCE_MS} ms`));
    });
    asked.end(body);
  });
}

/** Those that have not ended. None of them keeps the test's process alive, or lives on after it. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class Balancer {
  readonly child: ChildProcess;
  readonly #exited: Promise<End>;
  /** Everything it wrote to stderr. */
  stderr = '';
  stdout = '';
  publicPort = 0;
  adminPort = 0;
  /** Process ids of every replica that was ever seen. */
  readonly #leaders = new Set<number>();

  private constructor(
    options: readonly string[],
    { env = {}, through = [], node = [], stderr }: Surroundings,
  ) {
    const [program = '', ...more] = [...through, process.execPath, ...node, MAIN, ...options];
    this.child = spawn(program, more, {
      // a rehearsal is for those who look at the latency of first requests
      env: { ...SURROUNDINGS, LB_REHEARSAL: 'off', ...env },
      stdio: ['ignore', 'pipe', stderr ?? 'pipe'],
    });
    this.child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.stderr += chunk;
    });
    this.child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
      this.stdout += chunk;
    });
    running.add(this.child);
    this.#keepAlive(false);
    // `close` is later than `exit`: all it wrote has been read then
    this.#exited = once(this.child, 'close').then(([code, signal]) => {
      running.delete(this.child);
      return { code, signal };
    });
  }

  #keepAlive(isKept: boolean): void {
    for (const handle of [this.child, this.child.stdout as Socket, this.child.stderr as Socket | null])
      isKept ? handle?.ref() : handle?.unref();
  }

  /** Resolves with how it ended. */
  get exited(): Promise<End> {
    this.#keepAlive(true);
    return this.#exited;
  }

  /** Starts one, without waiting for anything; for one that is to fail. */
  static spawn(options: string, surroundings: Surroundings = {}): Balancer {
    return new Balancer(wordsOf(options), surroundings);
  }

  /** Starts one on free ports and waits until it serves. `more` are options with blanks in them. */
  static async serving(
    options = '',
    more: readonly string[] = [],
    surroundings: Surroundings = {},
  ): Promise<Balancer> {
    const ports = ['--port', '0', '--admin-port', '0'];
    const balancer = new Balancer([...ports, ...wordsOf(options), ...more], surroundings);
    await balancer.#untilServing();
    return balancer;
  }

  /** Starts one on free ports and waits until every replica that it is to have is eligible. */
  static async ready(
    options = '',
    more: readonly string[] = [],
    surroundings: Surroundings = {},
  ): Promise<Balancer> {
    const balancer = await Balancer.serving(options, more, surroundings);
    await balancer.untilHealthy();
    return balancer;
  }

  /** Starts one whose log is not heard, so on ports that are chosen here, and waits until it is ready. */
  static async unheard(options: string, surroundings: Surroundings): Promise<Balancer> {
    const port = (await findFreePort(new Set()))!;
    const adminPort = (await findFreePort(new Set([port])))!;
    const ports = ['--port', String(port), '--admin-port', String(adminPort)];
    const balancer = new Balancer([...ports, ...wordsOf(options)], surroundings);
    balancer.publicPort = port;
    balancer.adminPort = adminPort;
    await eventually('a replica that is eligible', async () => {
      const { status } = await balancer.askAdmin('GET', '/readyz');
      return status === 200;
    });
    return balancer;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get lines(): readonly LogLine[] {
    return this.stderr
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogLine);
  }

  /** Every change of state that was logged: `S1 starting→healthy: probe passed: 200`. */
  get transitions(): readonly string[] {
    return this.lines
      .filter(({ to }) => to !== undefined)
      .map(({ replica, from, to, cause }) => `${replica} ${from}→${to}: ${cause}`);
  }

  ask(method: string, path: string, options?: AskOptions): Promise<Answer> {
    return ask(this.publicPort, method, path, options);
  }

  askAdmin(method: string, path: string, options?: AskOptions): Promise<Answer> {
    return ask(this.adminPort, method, path, options);
  }

  /** The replica that answers `/home`: what stands behind the last blank of its message. */
  async home(headers: Readonly<Record<string, string>> = {}): Promise<string> {
    const { status, body } = await this.ask('GET', '/home', { headers });
    if (status !== 200) throw new Error(`/home answers ${status}: ${body}`);
    return (JSON.parse(body) as { message: string }).message.split(' ').at(-1)!;
  }

  async replicas(): Promise<readonly ReplicaView[]> {
    const { body } = await this.askAdmin('GET', '/replicas');
    const { replicas } = (JSON.parse(body) as { message: { replicas: readonly ReplicaView[] } }).message;
    for (const replica of replicas) if (replica.instance !== null) this.#leaders.add(leaderIn(replica));
    return replicas;
  }

  async replica(name: string): Promise<ReplicaView> {
    const found = (await this.replicas()).find((replica) => replica.name === name);
    if (found === undefined) throw new Error(`there is no replica ${name}`);
    return found;
  }

  /** The process id of the replica's instance. */
  async pidOf(name: string): Promise<number> {
    return leaderIn(await this.replica(name));
  }

  /** Waits until all replicas, `count` of them where it is said, are healthy. */
  untilHealthy(count?: number): Promise<true> {
    return eventually(`${count ?? 'all'} healthy replicas`, async () => {
      const states = (await this.replicas()).map(({ state }) => state);
      const { status } = await this.askAdmin('GET', '/readyz');
      const isAll =
        states.length === (count ?? states.length) && states.every((state) => state === 'healthy');
      return status === 200 && isAll;
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Command lines of what still runs of its replicas. */
  get remains(): readonly string[] {
    return [...this.#leaders].flatMap(groupOf);
  }

  /** The same without the watchers of their groups, which end a moment after the balancer does. */
  get commandsLeft(): readonly string[] {
    return this.remains.filter((command) => !command.includes("trap '' HUP"));
  }

  /**
   * Asks it to end, and kills it where it does not. Throws where a request was ended only by the last of all time
   * limits, which is a fault of the balancer's whatever the test is about.
   */
  async stop(): Promise<End> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.exited;
    const lastResorts = await Promise.race([this.#lastResorts(), delay(METRICS_MS, 0, { ref: false })]);
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), STOP_MS);
    const end = await this.exited;
    clearTimeout(timer);
    if (lastResorts > 0) throw new Error(`${lastResorts} requests were ended by their last resort alone`);
    return end;
  }

  /** As `/metrics` has it; 0 where that cannot be read. */
  async #lastResorts(): Promise<number> {
    const { body } = await this.askAdmin('GET', '/metrics').catch(() => ({ body: '' }));
    return Number(/^ringlb_last_resort_timeouts_total (\d+)$/m.exec(body)?.[1] ?? 0);
  }

  async #untilServing(): Promise<void> {
    const serving = await Promise.race([
      this.#exited.then(() => undefined),
      eventually(
        'a line that says where it serves',
        () => /serving on http:\/\/[^:]*:(\d+), admin on http:\/\/[^"]*:(\d+)/.exec(this.stderr) ?? undefined,
      ),
    ]);
    if (serving === undefined) throw new Error(`the balancer ended:\n${this.stderr}`);
    this.publicPort = Number(serving[1]);
    this.adminPort = Number(serving[2]);
  }
}

function wordsOf(options: string): readonly string[] {
  return options.split(' ').filter(Boolean);
}

/** Instances of the process driver are called by their process id and a number. */
function leaderIn(replica: ReplicaView): number {
  return Number.parseInt(replica.instance ?? '', 10);
}
