/** What happens to the balancer's own process and to the machine. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Balancer } from './balancer.ts';
import type { FaultCase } from './fault-case.ts';
import { REPLICAS } from './stage.ts';
import { ask, Traffic } from './traffic.ts';

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

const f17: FaultCase = {
  id: 'F17',
  title: 'the disk of both logs is full',
  async run(stage) {
    const disk = join(stage.dir, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]);
    stage.after(() => execFileSync('umount', ['--lazy', disk]));
    const logs = [
      '--access-log',
      'json',
      '--access-log-file',
      join(disk, 'access.log'),
      '--log-level',
      'debug',
    ];
    const ports = [await freePort(), await freePort()] as const;
    const balancer = await stage.balancer(logs, { logFile: join(disk, 'error.log') }, ports);
    const traffic = new Traffic(balancer.port);
    await stage.run(6000);
    process.kill((await balancer.pids()).get('S1')!, 'SIGKILL');
    await balancer.untilEvent('died');
    const wholeMs = await balancer.untilWhole(REPLICAS);
    await traffic.end();
    const end = await balancer.stop();
    const problems = end.code === 0 ? [] : [`it ended with ${end.code ?? end.signal}`];
    return { traffic, note: `a death meanwhile: whole after ${wholeMs} ms`, problems };
  },
};

/** One request on a connection of its own that is then kept open. */
function open(port: number, sockets: Socket[]): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.on('connect', () => socket.write('GET /work HTTP/1.1\r\nHost: h\r\n\r\n'));
    socket.once('data', (data) => resolve(data.toString('latin1').startsWith('HTTP/1.1 200')));
    socket.on('error', () => resolve(false));
    socket.on('close', () => resolve(false));
  });
}

const CLIENTS = 600;

const f19: FaultCase = {
  id: 'F19',
  title: '600 clients at a balancer that may open 256 files',
  mayLose: { gets: CLIENTS, why: 'who is beyond the limit is turned away' },
  async run(stage) {
    const balancer = await stage.balancer([], { descriptors: 256 });
    const sockets: Socket[] = [];
    const served = await Promise.all(Array.from({ length: CLIENTS }, () => open(balancer.port, sockets)));
    for (const socket of sockets) socket.destroy();
    await delay(500);
    const after = await Promise.allSettled(
      Array.from({ length: 50 }, () => ask(balancer.port, 'GET', '/work')),
    );
    const lostAfter = after.filter(({ status }) => status === 'rejected').length;
    await balancer.untilWhole(REPLICAS);
    const problems = lostAfter > 0 ? [`${lostAfter} of 50 lost once the clients had gone`] : [];
    const lost = served.filter((isServed) => !isServed).length;
    return { sent: CLIENTS, lost, note: `${CLIENTS - lost} served, then 50 of 50`, problems };
  },
};

const f22: FaultCase = {
  id: 'F22',
  title: 'the balancer stopped (SIGSTOP) for 5 s',
  async run(stage) {
    const balancer = await stage.balancer();
    const before = [...(await balancer.pids()).values()].join();
    const traffic = new Traffic(balancer.port);
    await stage.run(1000);
    balancer.signal('SIGSTOP');
    await delay(5000);
    balancer.signal('SIGCONT');
    await stage.run(3000);
    await traffic.end();
    await balancer.untilWhole(REPLICAS);
    const isSame = [...(await balancer.pids()).values()].join() === before;
    const problems = isSame ? [] : ['replicas were replaced'];
    return { traffic, note: `longest ${Math.round(traffic.longestMs)} ms`, problems };
  },
};

/** Moves the wall clock of a Node process, all its threads, by what stands in a file. */
const SHIFTED_DATE = `
import { readFileSync } from 'node:fs';
const RealDate = Date;
let shift = 0, read = -1;
const shifted = () => {
  const now = performance.now();
  if (now - read > 100) { read = now; try { shift = Number(readFileSync(process.env.FAULT_CLOCK, 'utf8')); } catch {} }
  return RealDate.now() + shift;
};
globalThis.Date = class extends RealDate {
  constructor(...parts) { if (parts.length === 0) super(shifted()); else super(...parts); }
  static now() { return shifted(); }
};
`;

const f23: FaultCase = {
  id: 'F23',
  title: 'the clock jumps an hour ahead, then two back',
  async run(stage) {
    const clock = join(stage.dir, 'clock');
    const preload = join(stage.dir, 'clock.mjs');
    writeFileSync(clock, '0');
    writeFileSync(preload, SHIFTED_DATE);
    const env = { FAULT_CLOCK: clock, NODE_OPTIONS: `--import=${preload}` };
    const balancer = await stage.balancer([], { env });
    const before = [...(await balancer.pids()).values()].join();
    const traffic = new Traffic(balancer.port);
    for (const shift of [3_600_000, -3_600_000, 0]) {
      await stage.run(2000);
      writeFileSync(clock, String(shift));
    }
    await stage.run(2000);
    await traffic.end();
    const isSame = [...(await balancer.pids()).values()].join() === before;
    await balancer.untilWhole(REPLICAS);
    return { traffic, note: 'no replica replaced', problems: isSame ? [] : ['replicas were replaced'] };
  },
};

/** A body of five parts, a part every 0.8 s. */
function upload(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request(
      { host: '127.0.0.1', port, method: 'POST', path: '/work', agent: false },
      (response) => {
        response.resume();
        response.once('end', () => resolve(response.statusCode === 200));
      },
    );
    asked.once('error', () => resolve(false));
    let left = 5;
    const timer = setInterval(() => {
      asked.write('x'.repeat(100_000));
      if (--left > 0) return;
      clearInterval(timer);
      asked.end();
    }, 800);
  });
}

/** A tunnel that is used until it is closed: how often its far end has echoed. */
function tunnel(port: number): { readonly echoes: () => number; readonly isOpen: Promise<boolean> } {
  let echoes = 0;
  const socket = connect(port, '127.0.0.1');
  socket.write('GET /socket HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
  const isOpen = new Promise<boolean>((resolve) => {
    socket.once('data', (data) => {
      resolve(data.toString('latin1').startsWith('HTTP/1.1 101'));
      const timer = setInterval(() => socket.write('ping'), 200);
      socket.on('data', () => echoes++);
      socket.once('close', () => clearInterval(timer));
    });
    socket.on('error', () => resolve(false));
  });
  return { echoes: () => echoes, isOpen };
}

async function shutDown(balancer: Balancer): Promise<{ readonly lost: number; readonly echoes: number }> {
  const tunnels = Array.from({ length: 10 }, () => tunnel(balancer.port));
  const opened = await Promise.all(tunnels.map(({ isOpen }) => isOpen));
  const slow = Array.from({ length: 40 }, () => ask(balancer.port, 'GET', '/work?ms=6000'));
  const uploads = Array.from({ length: 5 }, () => upload(balancer.port));
  await delay(1000);
  const before = tunnels.map(({ echoes }) => echoes());
  balancer.signal('SIGTERM');
  const answered = await Promise.allSettled(slow);
  const uploaded = await Promise.all(uploads);
  const lost =
    opened.filter((isOpen) => !isOpen).length +
    answered.filter(({ status }) => status === 'rejected').length +
    uploaded.filter((isDone) => !isDone).length;
  return { lost, echoes: tunnels.filter(({ echoes }, at) => echoes() > before[at]!).length };
}

const f28: FaultCase = {
  id: 'F28',
  title: 'SIGTERM with 40 requests of 6 s, 5 uploads and 10 tunnels open',
  async run(stage) {
    const balancer = await stage.balancer(['--drain-timeout', '12s']);
    const { lost, echoes } = await shutDown(balancer);
    const { code, signal } = await balancer.ended;
    const problems = [
      ...(code === 0 ? [] : [`it ended with ${code ?? signal}`]),
      ...(echoes === 10 ? [] : [`${10 - echoes} tunnels were cut before the drain timeout`]),
    ];
    return { sent: 55, lost, note: 'tunnels go on until the drain timeout', problems };
  },
};

export const MACHINE: readonly FaultCase[] = [f17, f19, f22, f23, f28];
