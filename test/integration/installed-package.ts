/** The package as `npm pack` makes it, installed into an empty folder as a stranger would. Must not hold: assertions. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const REPOSITORY = join(import.meta.dirname, '../..');
const BINARIES = join(REPOSITORY, 'node_modules/.bin');
/** Of the repository, what packing reads. */
const SOURCES = [
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'bin',
  'lib',
  'replica',
  'test',
  'bench',
  'docs',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
];

const run = promisify(execFile);

export class InstalledPackage {
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
  }

  /** Packs in a copy of the repository, so that nobody's compiled tree changes, and installs with npm's cache if it can. */
  static async create(): Promise<InstalledPackage> {
    const installed = new InstalledPackage(await mkdtemp(join(tmpdir(), 'ringlb-package-')));
    const source = join(installed.#root, 'source');
    await mkdir(source);
    for (const name of SOURCES) await cp(join(REPOSITORY, name), join(source, name), { recursive: true });
    await symlink(join(REPOSITORY, 'node_modules'), join(source, 'node_modules'));
    await installed.npm(source, 'pack', '--pack-destination', installed.#root);
    await mkdir(installed.folder);
    await writeFile(join(installed.folder, 'package.json'), '{"type":"module"}');
    const quietly = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'];
    await installed.npm(installed.folder, 'install', ...quietly, await installed.tarball());
    return installed;
  }

  /** The project that it is installed in. */
  get folder(): string {
    return join(this.#root, 'project');
  }

  async tarball(): Promise<string> {
    const name = (await readdir(this.#root)).find((entry) => entry.endsWith('.tgz'));
    return join(this.#root, name ?? '');
  }

  async tarballBytes(): Promise<number> {
    return (await stat(await this.tarball())).size;
  }

  /** The files in the tarball, without the folder that npm puts them in. */
  async files(): Promise<readonly string[]> {
    const { stdout } = await run('tar', ['--list', '--file', await this.tarball()]);
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((file) => file.replace(/^package\//, ''));
  }

  /** Writes a file of the project. */
  write(name: string, text: string): Promise<void> {
    return writeFile(join(this.folder, name), text);
  }

  /** Runs a program in the project; rejects where it ends with another status than 0. */
  run(file: string, ...args: readonly string[]) {
    return run(file, args, { cwd: this.folder, env: environment() });
  }

  npm(cwd: string, ...args: readonly string[]) {
    return run('npm', args, { cwd, env: environment() });
  }

  remove(): Promise<void> {
    return rm(this.#root, { recursive: true });
  }
}

/** With this Node.js and the compiler first on the path. */
function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: [BINARIES, process.env.PATH].join(delimiter) };
}
