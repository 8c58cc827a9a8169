/**
 * A shell for the commands of one page: in a copy of the repository of its own, on free ports, with a balancer in the
 * background where the page has one. Invariant: `close` ends everything that was started in it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort } from '../../lib/drivers/process/free-port.ts';
import { ask } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';
import { skipUnless } from '../helpers/skip.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
/** All that it takes to start a balancer and to build its images. */
const SOURCES = [
  ...['Makefile', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json'],
  ...['Dockerfile', '.dockerignore', 'docker-compose.yml', 'bin', 'lib', 'replica'],
];
/** The ports that pages may name. */
const PORTS = ['5000', '5001', '5443', '8080', '8081', '8082'];

/** Images are built on machines with other tests to run. */
const COMMAND_MS = 300_000;

/** What serves. None of it outlives the test's process. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) killGroup(child);
});

/** Ends what is left of a group, such as servers that a page started behind the balancer. */
function killGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-pid!, 'SIGKILL');
  } catch {
    // nothing is left
  }
}

/** Why commands cannot be run here; undefined where they can, or must. */
export const skipCommands: string | undefined = skipUnless(
  ['bash', 'curl', 'make', 'openssl'].every((program) => spawnSync('which', [program]).status === 0),
  'no bash, curl, make or openssl',
);

export interface Printed {
  readonly text: string;
  /** The commands that failed, with their status. */
  readonly failed: string;
}

export interface ShellOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** What else of a page's commands has to be another here. */
  readonly rewrite?: (commands: string) => string;
  /** What they print, with that put back. */
  readonly restore?: (printed: string) => string;
}

export class PageShell {
  readonly directory: string;
  readonly #ports: ReadonlyMap<string, string>;
  readonly #options: ShellOptions;
  readonly #env: NodeJS.ProcessEnv;
  readonly #bash: ChildProcess;
  #blocks = 0;
  #background: ChildProcess | undefined;

  private constructor(directory: string, ports: ReadonlyMap<string, string>, options: ShellOptions) {
    this.directory = directory;
    this.#ports = ports;
    this.#options = options;
    const own = { LB_PORT: ports.get('5000')!, LB_ADMIN_PORT: ports.get('5001')! };
    this.#env = { ...environment(directory), ...own, ...options.env };
    this.#bash = spawn('bash', { cwd: directory, stdio: ['pipe', 'ignore', 'ignore'], env: this.#env });
  }

  static async open(options: ShellOptions = {}): Promise<PageShell> {
    const directory = await mkdtemp(join(tmpdir(), 'ringlb-docs-'));
    await copyRepository(directory);
    const ports = new Map<string, string>();
    const taken = new Set<number>();
    for (const port of PORTS) {
      const free = (await findFreePort(taken))!;
      taken.add(free);
      ports.set(port, String(free));
    }
    return new PageShell(directory, ports, options);
  }

  /** Runs commands to their end. */
  async run(commands: string): Promise<Printed> {
    const name = await this.#write(commands);
    this.#bash.stdin!.write(`. ./${name}.sh >${name}.out 2>&1 </dev/null; echo >${name}.done\n`);
    await eventually(
      `the end of ${name}`,
      () => existsSync(join(this.directory, `${name}.done`)),
      COMMAND_MS,
    );
    const failed = existsSync(join(this.directory, 'failed')) ? await this.#read('failed') : '';
    await rm(join(this.directory, 'failed'), { force: true });
    return { text: this.#documented(await this.#read(`${name}.out`)), failed };
  }

  /** Runs commands that serve, in place of those that served before; resolves once all replicas get requests. */
  async serve(commands: string, isReady: () => Promise<boolean> = () => this.#isReady()): Promise<void> {
    await this.stop();
    const name = await this.#write(commands);
    // a group of its own: by that it is interrupted with all that it has started, as from a terminal
    const child = spawn('bash', ['-c', `. ./${name}.sh >${name}.out 2>&1`], {
      cwd: this.directory,
      env: this.#env,
      stdio: 'ignore',
      detached: true,
    });
    this.#background = child;
    running.add(child);
    const ended = once(child, 'exit').then(() => false);
    const ready = eventually('a balancer that is ready', isReady, COMMAND_MS);
    if (!(await Promise.race([ready, ended]))) throw new Error(await this.#read(`${name}.out`));
  }

  /** Ends what serves, and waits until it has ended. */
  async stop(): Promise<void> {
    const child = this.#background;
    this.#background = undefined;
    if (child === undefined) return;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      process.kill(-child.pid!, 'SIGINT');
      await ended;
    }
    killGroup(child);
    running.delete(child);
  }

  /** Waits until a file that the page names has something in it. */
  async untilWritten(file: string): Promise<void> {
    await eventually(`something in ${file}`, async () => (await this.#read(file).catch(() => '')) !== '');
  }

  /** The port that stands in for one of the page's. */
  portOf(documented: string): number {
    return Number(this.#ports.get(documented));
  }

  async close(): Promise<void> {
    await this.stop();
    const ended = once(this.#bash, 'exit');
    this.#bash.stdin!.end();
    await ended;
    await rm(this.directory, { recursive: true, force: true });
  }

  async #isReady(): Promise<boolean> {
    const { body } = await ask(this.portOf('5001'), 'GET', '/readyz').catch(() => ({ body: '' }));
    return /"(\d+) of \1 replicas are eligible/.test(body);
  }

  async #write(commands: string): Promise<string> {
    const name = `block-${++this.#blocks}`;
    const { rewrite = (text) => text } = this.#options;
    const trap = `trap 'echo "$BASH_COMMAND: $?" >>${this.directory}/failed' ERR`;
    await writeFile(join(this.directory, `${name}.sh`), `${trap}\n${rewrite(this.#real(commands))}\n`);
    return name;
  }

  #read(file: string): Promise<string> {
    return readFile(join(this.directory, file), 'utf8');
  }

  #real(text: string): string {
    return PORTS.reduce(
      (rest, port) => rest.replace(new RegExp(`\\b${port}\\b`, 'g'), this.#ports.get(port)!),
      text,
    );
  }

  #documented(text: string): string {
    const { restore = (printed) => printed } = this.#options;
    return PORTS.reduce((rest, port) => rest.replaceAll(this.#ports.get(port)!, port), restore(text));
  }
}

function environment(directory: string): NodeJS.ProcessEnv {
  const { DOCKER_HOST, PATH = '', HOME = directory } = process.env;
  return {
    PATH: `${directory}/shell:${REPOSITORY}/node_modules/.bin:${PATH}`,
    HOME,
    CURL_HOME: `${directory}/shell`,
    ...forPackages(),
    ...(DOCKER_HOST !== undefined && { DOCKER_HOST }),
  };
}

/** How npm reaches its registry here. */
function forPackages(): NodeJS.ProcessEnv {
  const names = /^(npm_config_.*|https?_proxy|no_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE)$/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => names.test(name)));
}

async function copyRepository(directory: string): Promise<void> {
  const installed = join(REPOSITORY, 'node_modules');
  // make would install into the repository's own modules through the link
  if (!existsSync(join(installed, '.package-lock.json'))) throw new Error('run npm ci first');
  for (const source of SOURCES)
    await cp(join(REPOSITORY, source), join(directory, source), { recursive: true });
  for (const file of ['package.json', 'package-lock.json']) await utimes(join(directory, file), 0, 0);
  await symlink(installed, join(directory, 'node_modules'));
  await mkdir(join(directory, 'shell'));
  const ringlb = join(directory, 'shell/ringlb');
  await writeFile(ringlb, `#!/bin/sh\nexec node ${REPOSITORY}/lib/main.ts "$@"\n`);
  await chmod(ringlb, 0o755);
  // what a terminal shows: no progress, and each response on a line of its own
  await writeFile(join(directory, 'shell/.curlrc'), 'silent\nwrite-out = "\\n"\n');
}
