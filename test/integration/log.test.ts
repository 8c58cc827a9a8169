import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeRoom, skipWithoutMount, smallDisk } from '../helpers/access-log/small-disk.ts';
import { ask, Balancer, type Surroundings } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';
import { skipUnless, skipWithoutPython } from '../helpers/skip.ts';

/** Serves `/hold`, which it answers once its own port is asked for `/go`. */
const HELD = [
  '--command',
  `exec ${process.execPath} ${fileURLToPath(new URL('./held-replica.ts', import.meta.url))}`,
];

type Test = { after(run: () => unknown): void };

function directory(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'ringlb-log-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;

/** A pipe as a shell makes one: what is written to it, and what is read of it when the test wants that. */
function pipe(t: Test) {
  const file = join(directory(t), 'stderr');
  execFileSync('mkfifo', [file]);
  const reading = openSync(file, O_RDONLY | O_NONBLOCK);
  const writing = openSync(file, O_WRONLY | O_NONBLOCK);
  const buffer = Buffer.alloc(1 << 16);
  let isOpen = true;
  const close = (): void => {
    if (isOpen) closeSync(reading);
    isOpen = false;
  };
  t.after(close);
  t.after(() => closeSync(writing));
  return {
    writing,
    close,
    read(): string {
      try {
        return buffer.toString('utf8', 0, readSync(reading, buffer));
      } catch {
        return '';
      }
    },
    /** Writes until nothing more is taken. */
    fill(): void {
      const filler = Buffer.from(`${'#'.repeat(511)}\n`);
      try {
        for (;;) writeSync(writing, filler);
      } catch {}
    },
  };
}

/** A balancer whose log goes to `stderr`, and nobody reads it but the test. */
async function started(t: Test, stderr: number, options = '--replicas 2'): Promise<Balancer> {
  const balancer = await Balancer.unheard(`--workers 1 --log-level debug ${options}`, { stderr });
  t.after(() => balancer.stop());
  return balancer;
}

/** Whatever becomes of its log: it serves, heals, answers on the admin port and ends when it is told to. */
async function doesItsWork(balancer: Balancer, atTheEnd: () => void = () => {}): Promise<void> {
  const pid = await balancer.pidOf('S1');
  process.kill(pid, 'SIGKILL');
  await eventually('another S1', async () => {
    assert.ok(['S1', 'S2'].includes(await balancer.home()));
    const { state, instance } = await balancer.replica('S1');
    return state === 'healthy' && instance !== null && (await balancer.pidOf('S1')) !== pid;
  });
  const ended = once(balancer.child, 'exit');
  balancer.signal('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
  atTheEnd();
}

async function dropped(balancer: Balancer): Promise<number> {
  const { body } = await balancer.askAdmin('GET', '/metrics');
  return Number(/^ringlb_log_dropped_total (\d+)$/m.exec(body)?.[1]);
}

/** A terminal whose output is stopped, as by Ctrl-S, until its keeper ends; gives the path of it. */
async function stoppedTerminal(t: Test): Promise<string> {
  const script = [
    'import os, pty, sys, termios',
    'main, side = pty.openpty()',
    'termios.tcflow(side, termios.TCOOFF)',
    'print(os.ttyname(side), flush=True)',
    'sys.stdin.read()',
  ].join('\n');
  const keeper = spawn('python3', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => keeper.kill());
  const name = await new Promise<string>((resolve) =>
    keeper.stdout.once('data', (chunk) => resolve(`${chunk}`)),
  );
  return name.trim();
}

const skipWithoutFull = skipUnless(existsSync('/dev/full'), 'no /dev/full');

/** Replicas with names that make long lines of log. */
const NAMES = ['a', 'b', 'c', 'd'].map((name) => name.repeat(63));

/** Makes two lines for each name. */
async function makeLines(balancer: Balancer, names: readonly string[]): Promise<void> {
  for (const path of ['/drain', '/undrain']) {
    const { status, body } = await balancer.askAdmin('POST', path, { body: { hostnames: names } });
    assert.equal(status, 200, body);
  }
}

/** Makes lines until some are lost. */
async function loseLines(balancer: Balancer): Promise<void> {
  const body = { n: NAMES.length, hostnames: NAMES };
  assert.equal((await balancer.askAdmin('POST', '/add', { body })).status, 200);
  do for (let times = 0; times < 50; times++) await makeLines(balancer, NAMES);
  while ((await dropped(balancer)) === 0);
}

const isJson = (line: string): boolean => {
  try {
    return typeof JSON.parse(line) === 'object';
  } catch {
    return false;
  }
};

describe('a balancer whose log is not taken', () => {
  it('works on with a pipe that nobody reads', async (t) => {
    const { writing, fill } = pipe(t);
    const balancer = await started(t, writing);
    fill();
    await doesItsWork(balancer);
  });

  it('works on with a socket that nobody reads', async (t) => {
    const balancer = await Balancer.ready('--workers 1 --replicas 2 --log-level debug');
    t.after(() => balancer.stop());
    const stderr = balancer.child.stderr!;
    stderr.pause();
    // twice what a socket holds of small writes
    for (let times = 0; times < 300; times++) await makeLines(balancer, ['S2']);
    await doesItsWork(balancer, () => stderr.resume());
  });

  it('works on with a pipe whose reader has gone', async (t) => {
    const { writing, close } = pipe(t);
    const balancer = await started(t, writing);
    close();
    await doesItsWork(balancer);
  });

  it('works on with a terminal that is stopped', { skip: skipWithoutPython }, async (t) => {
    const terminal = openSync(await stoppedTerminal(t), constants.O_RDWR | constants.O_NOCTTY);
    t.after(() => closeSync(terminal));
    await doesItsWork(await started(t, terminal));
  });

  it('goes on with a full disk and counts lost lines', { skip: skipWithoutFull }, async (t) => {
    const full = openSync('/dev/full', O_WRONLY);
    t.after(() => closeSync(full));
    const balancer = await started(t, full);
    assert.ok((await dropped(balancer)) > 0);
    await doesItsWork(balancer);
  });

  it('notes the lines a slow reader missed where they are missing', async (t) => {
    const { writing, read } = pipe(t);
    const balancer = await started(t, writing, '--replicas 1');
    await loseLines(balancer);
    const lost = await dropped(balancer);
    let text = '';
    const note = await eventually('the line that says so', () => {
      text += read();
      return text.split('\n').find((line) => line.includes('log lines were lost'));
    });
    assert.deepEqual(
      { ...JSON.parse(note), time: '' },
      {
        level: 'error',
        time: '',
        component: 'log',
        lost,
        msg: 'log lines were lost: stderr did not accept them',
      },
    );
    await makeLines(balancer, NAMES.slice(0, 1));
    await eventually('the lines behind it', () => {
      text += read();
      return text.split('\n').filter((line) => /drain of \S+ ended by an operator/.test(line)).length > 1;
    });
    assert.deepEqual(
      text
        .split('\n')
        .slice(0, -1)
        .filter((line) => !isJson(line)),
      [],
    );
  });

  it('begins a new line after a full disk cut one', {
    skip: skipWithoutMount,
  }, async (t) => {
    const disk = smallDisk(t);
    const file = join(disk, 'stderr');
    const stderr = openSync(file, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND);
    t.after(() => closeSync(stderr));
    const balancer = await started(t, stderr, '--replicas 1');
    await loseLines(balancer);
    const before = readFileSync(file, 'utf8');
    makeRoom(disk);
    await makeLines(balancer, NAMES);
    const after = readFileSync(file, 'utf8');
    assert.ok(after.startsWith(before));
    // seldom the disk is full at the very end of a line
    const isCut = !before.endsWith('\n');
    assert.equal(after[before.length] === '\n', isCut);
    const lines = after
      .slice(before.length + Number(isCut))
      .split('\n')
      .slice(0, -1);
    assert.match(lines[0]!, /"lost":\d+,"msg":"log lines were lost/);
    const whole = isCut ? before.slice(0, before.lastIndexOf('\n') + 1) : before;
    assert.deepEqual(
      [...whole.split('\n').slice(0, -1), ...lines].filter((line) => !isJson(line)),
      [],
    );
  });
});

/** Has the balancer do on SIGUSR2 what is no part of it. */
const onUsr2 = (code: string): Surroundings => ({
  node: ['--import', `data:text/javascript,process.on('SIGUSR2',()=>{${encodeURIComponent(code)}})`],
});

describe('what Node says of the process', () => {
  it('is a line of the log where it warns', async (t) => {
    const balancer = await Balancer.ready(
      '--workers 1 --replicas 1',
      [],
      onUsr2('process.emitWarning("odd")'),
    );
    t.after(() => balancer.stop());
    balancer.signal('SIGUSR2');
    const { level, cause } = await eventually('the line', () =>
      balancer.lines.find(({ msg }) => msg === 'Node.js warning'),
    );
    assert.equal(level, 'warn');
    assert.match(cause ?? '', /^Warning: odd\n/);
    assert.deepEqual(
      balancer.stderr
        .split('\n')
        .slice(0, -1)
        .filter((line) => !isJson(line)),
      [],
    );
  });

  it('ends with the uncaught exception', async (t) => {
    const balancer = await Balancer.ready('--workers 1 --replicas 1', [], onUsr2('throw new Error("odd")'));
    t.after(() => balancer.stop());
    balancer.signal('SIGUSR2');
    assert.deepEqual(await balancer.exited, { code: 1, signal: null });
    const { level, msg, cause } = balancer.lines.at(-1)!;
    assert.deepEqual([level, msg], ['error', 'uncaught exception, exiting']);
    assert.match(cause ?? '', /^Error: odd\n/);
  });

  it('does not keep it from ending where nobody reads the log', async (t) => {
    const { writing, fill } = pipe(t);
    const options = '--workers 1 --replicas 1';
    const balancer = await Balancer.unheard(options, {
      ...onUsr2('throw new Error("odd")'),
      stderr: writing,
    });
    fill();
    balancer.signal('SIGUSR2');
    assert.deepEqual(await balancer.exited, { code: 1, signal: null });
  });
});

describe('SIGHUP', () => {
  const saysSo = (balancer: Balancer, message: string): Promise<unknown> =>
    eventually(message, () => balancer.lines.some(({ msg, level }) => msg === message && level === 'info'));

  for (const options of ['', '--access-log json']) {
    it(`finds nothing to reopen without a log file (${options})`, async (t) => {
      const balancer = await Balancer.ready(`--workers 1 --replicas 1 ${options}`);
      t.after(() => balancer.stop());
      balancer.signal('SIGHUP');
      await saysSo(balancer, 'SIGHUP: nothing to reopen');
      assert.equal(await balancer.home(), 'S1');
      assert.deepEqual(await balancer.stop(), { code: 0, signal: null });
    });
  }

  it('does not end one that is starting', async (t) => {
    const balancer = await Balancer.serving('--workers 1 --replicas 1', [
      '--command',
      `while ! test -e ${join(directory(t), 'go')}; do sleep 0.05; done`,
    ]);
    t.after(() => balancer.stop());
    balancer.signal('SIGHUP');
    assert.equal((await balancer.askAdmin('GET', '/healthz')).status, 200);
    assert.deepEqual(await balancer.stop(), { code: 0, signal: null });
  });

  it('does not hurry one that drains', async (t) => {
    const balancer = await Balancer.ready('--workers 1 --replicas 1', HELD);
    t.after(() => balancer.stop());
    const held = balancer.ask('GET', '/hold');
    await eventually('the request in flight', async () => (await balancer.replicas())[0]!.inFlight === 1);
    const { endpoint } = (await balancer.replicas())[0]!;
    balancer.signal('SIGTERM');
    await saysSo(balancer, 'draining');
    balancer.signal('SIGHUP');
    await saysSo(balancer, 'SIGHUP: nothing to reopen');
    await ask(Number(endpoint!.split(':')[1]), 'GET', '/go');
    assert.equal((await held).status, 200);
    assert.deepEqual(await balancer.exited, { code: 0, signal: null });
  });
});
