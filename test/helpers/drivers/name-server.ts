/**
 * A real DNS server (dnsmasq) on a free port of loopback, whose records a test changes and which it can kill.
 * Must not hold: tests.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../eventually.ts';
import { skipUnless } from '../skip.ts';

export const skipWithoutDnsmasq: string | undefined = skipUnless(
  spawnSync('dnsmasq', ['--version']).status === 0,
  'no dnsmasq',
);

/** Lines of a configuration: `host-record=web.test,127.0.0.1`, `srv-host=_web._tcp.test,a.test,80,1,10`. */
export type Records = readonly string[];

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Its exit status where it cannot listen. */
const PORT_TAKEN = 2;
/** Below those that the system gives to connections, so that nothing takes the port between two starts. */
const PORTS = [10_000, 32_000] as const;

export class NameServer {
  #port = 0;
  readonly #directory: string;
  #records: Records = [];
  #child: ChildProcess | undefined;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(records: Records = []): Promise<NameServer> {
    const server = new NameServer(await mkdtemp(join(tmpdir(), 'ringlb-dns-')));
    server.#records = records;
    do server.#port = randomInt(...PORTS);
    while (!(await server.#start()));
    return server;
  }

  /** For the option `resolver`. */
  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Has these records, and no others, from now on; names below `test` that are none of them do not exist. */
  async serve(records: Records = this.#records): Promise<void> {
    this.#records = records;
    await this.kill();
    if (!(await this.#start())) throw new Error(`dnsmasq did not take the port ${this.#port} again`);
  }

  /** False where the port is another's. */
  async #start(): Promise<boolean> {
    const file = join(this.#directory, 'dnsmasq.conf');
    const standing = [
      `port=${this.#port}`,
      'listen-address=127.0.0.1',
      'bind-interfaces',
      'no-resolv',
      'no-hosts',
      'local=/test/',
      'local-ttl=1',
      'host-record=ready.test,127.0.0.1',
    ];
    await writeFile(file, [...standing, ...this.#records, ''].join('\n'));
    const child = spawn(
      'dnsmasq',
      ['--keep-in-foreground', `--conf-file=${file}`, '--user=', '--pid-file='],
      {
        stdio: 'ignore',
      },
    );
    running.add(child);
    child.once('exit', () => running.delete(child));
    child.unref();
    this.#child = child;
    const exitCode = await eventually('a response of dnsmasq', async () => {
      if (child.exitCode !== null) return child.exitCode;
      const resolver = new Resolver({ timeout: 100, tries: 1 });
      resolver.setServers([this.address]);
      return (await resolver.resolve4('ready.test')).length > 0 && 0;
    });
    if (exitCode !== 0 && exitCode !== PORT_TAKEN) throw new Error(`dnsmasq ended with ${exitCode}`);
    return exitCode === 0;
  }

  /** It responds no more until the next `serve`. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.ref();
    child.kill('SIGKILL');
    await exited;
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
