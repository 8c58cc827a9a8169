/** A balancer whose sockets its parent has opened, as systemd does: descriptors from 3 up, and a notify socket. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import { Balancer, type Surroundings } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';
import { skipUnless } from '../helpers/skip.ts';
import { endDataThread } from './thread-end.ts';

/** Opens a socket for each name, those of one name on one port, and becomes the program behind the names. */
const PARENT = `
import os, socket, sys
names, command = sys.argv[1].split(','), sys.argv[2:]
ports, passed = {}, []
for name in names:
    kind = socket.SOCK_DGRAM if name == 'datagram' else socket.SOCK_STREAM
    s = socket.socket(socket.AF_INET, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind(('127.0.0.1', ports.get(name, 0)))
    if kind == socket.SOCK_STREAM: s.listen(128)
    ports[name] = s.getsockname()[1]
    passed.append(os.dup2(s.fileno(), 100 + len(passed)))
for index, fd in enumerate(passed): os.dup2(fd, 3 + index)
os.closerange(3 + len(passed), 1024)
os.environ['LISTEN_FDS'] = str(len(passed))
os.environ['LISTEN_FDNAMES'] = ':'.join('port' if name == 'datagram' else name for name in names)
os.environ['LISTEN_PID'] = os.environ.get('TEST_PID', str(os.getpid()))
print('ports', *[f'{name}={port}' for name, port in ports.items()], file=sys.stderr, flush=True)
os.execv(command[0], command)
`;
const READER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
s.settimeout(60)
print(s.recv(4096).decode(), flush=True)
`;
const hasPython = spawnSync('python3', ['--version']).status === 0;

describe('a balancer with sockets of systemd', {
  skip: skipUnless(hasPython && existsSync('/proc/self/net/tcp'), 'no python3, or no Linux'),
}, () => {
  /** `names` are those of the sockets. */
  function spawnOn(
    t: TestContext,
    names: string,
    options: string,
    more: Omit<Surroundings, 'through'> = {},
  ): Balancer {
    const through = ['/usr/bin/env', 'python3', '-c', PARENT, names];
    const balancer = Balancer.spawn(options, { ...more, through });
    t.after(() => balancer.stop());
    return balancer;
  }

  const portOf = (balancer: Balancer, name: string): number =>
    Number(new RegExp(`^ports(?: .*)? ${name}=(\\d+)`, 'm').exec(balancer.stderr)?.[1]);

  async function serving(
    t: TestContext,
    names: string,
    options: string,
    node: readonly string[] = [],
  ): Promise<Balancer> {
    const balancer = spawnOn(t, names, options, { node });
    await eventually('the ports', () => balancer.stderr.includes('serving on'));
    balancer.publicPort = portOf(balancer, 'port');
    balancer.adminPort = portOf(balancer, 'admin-port');
    await balancer.untilHealthy();
    return balancer;
  }

  it('serves on them, one thread each', async (t) => {
    const balancer = await serving(t, 'port,port,admin-port', '--replicas 1 --workers 2');
    for (let request = 0; request < 20; request++)
      assert.equal((await balancer.ask('GET', '/home')).status, 200);
    assert.match(balancer.stderr, new RegExp(`serving on http://127\\.0\\.0\\.1:${balancer.publicPort}`));
    assert.match(balancer.stderr, /listening on sockets of systemd/);
    assert.doesNotMatch(balancer.stderr, /each needs a socket of its own/);
  });

  it('serves with one thread where there is one, and says so', async (t) => {
    const balancer = await serving(t, 'port,admin-port', '--replicas 1 --workers 2');
    assert.equal((await balancer.ask('GET', '/home')).status, 200);
    assert.match(balancer.stderr, /one thread serves: each needs a socket of its own/);
  });

  it('starts replicas without them and without their variables', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'ringlb-sockets-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const seen = join(folder, 'seen');
    const replica = `env >${seen}; ls /proc/self/fd >>${seen}; exec sleep 60`;
    const balancer = Balancer.spawn('--replicas 1', {
      through: ['/usr/bin/env', 'python3', '-c', PARENT, 'port,port,port,admin-port'],
      env: { LB_COMMAND: replica, NOTIFY_SOCKET: join(folder, 'none'), WATCHDOG_USEC: '60000000' },
    });
    t.after(() => balancer.stop());
    const seenText = await eventually('what a replica sees', () => {
      const found = existsSync(seen) ? readFileSync(seen, 'utf8') : '';
      return /^\d+$/m.test(found) && found.endsWith('\n') && found;
    });
    assert.doesNotMatch(seenText, /^(LISTEN_|NOTIFY_|WATCHDOG_)/m);
    // its own three, and what ls itself has opened
    assert.ok(seenText.split('\n').filter((line) => /^\d+$/.test(line)).length <= 4, seenText);
  });

  it('tells systemd when it serves', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'ringlb-sockets-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'notify');
    const read = spawnReader(path);
    await eventually('the notify socket', () => existsSync(path));
    const balancer = spawnOn(t, 'port,admin-port', '--replicas 1', { env: { NOTIFY_SOCKET: path } });
    assert.match(await read, new RegExp(`READY=1\\nMAINPID=${balancer.pid}`));
  });

  for (const [what, names, options, env, message] of [
    [
      'where --port is another',
      'port',
      '--port 81 --admin-port 0',
      {},
      /--port is 81, but the socket named port .* has port \d+/,
    ],
    ['where one is no TCP socket', 'datagram', '', {}, /descriptor 3 \(port\) is no TCP socket that listens/],
    [
      'where they are for another process',
      'port',
      '',
      { TEST_PID: '1' },
      /passed to process 1, but this one is/,
    ],
    [
      'where it is to take over',
      'port',
      '--take-over --port 81 --admin-port 82',
      {},
      /--take-over does not go with sockets of systemd/,
    ],
  ] as const)
    it(`does not start ${what}`, async (t) => {
      const balancer = spawnOn(t, names, `--replicas 1 ${options}`, { env });
      assert.equal((await balancer.exited).code, 1);
      assert.match(balancer.stderr, message);
    });

  it('ends where a thread dies with one, so that systemd passes it again', async (t) => {
    const balancer = await serving(t, 'port,admin-port', '--replicas 1', ['--inspect=127.0.0.1:0']);
    await endDataThread(() => balancer.stderr);
    assert.equal((await balancer.exited).code, 1);
    assert.match(balancer.stderr, /only systemd can pass the sockets/);
  });

  it('is not taken over by one without them', async (t) => {
    const balancer = await serving(t, 'port,admin-port', '--replicas 1');
    const { status, body } = await balancer.askAdmin('POST', '/hand-over');
    assert.equal(status, 400);
    assert.match(body, /restart the service instead/);
  });
});

/** What comes first to the notify socket. */
function spawnReader(path: string): Promise<string> {
  const reader = spawn('python3', ['-c', READER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  return text(reader.stdout);
}
