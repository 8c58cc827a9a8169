import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';
import { skipUnless } from '../helpers/skip.ts';

const READER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True: print(s.recv(4096).decode().replace(chr(10), ' '), flush=True)
`;
const hasTools = ['systemd-notify', 'python3'].every((tool) => spawnSync(tool, ['--version']).status === 0);

it('systemd hears of readiness, the watchdog, a reload and the end', {
  skip: skipUnless(hasTools, 'no systemd-notify or no python3'),
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ringlb-systemd-'));
  const path = join(folder, 'notify');
  const reader = spawn('python3', ['-c', READER, path], { stdio: ['ignore', 'pipe', 'ignore'] });
  let heard = '';
  reader.stdout.setEncoding('utf8').on('data', (text: string) => {
    heard += text;
  });
  t.after(() => {
    reader.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  });
  await eventually('the socket', () => heard.includes('bound'));
  const env = { NOTIFY_SOCKET: path, WATCHDOG_USEC: '200000' };
  const balancer = await Balancer.ready('--replicas 1', [], { env });
  await eventually('readiness', () => heard.includes(`READY=1 MAINPID=${balancer.pid}`));
  await eventually('the watchdog', () => heard.includes('WATCHDOG=1'));
  balancer.signal('SIGHUP');
  await eventually('a reload', () => heard.includes('RELOADING=1'));
  await eventually('readiness again', () => heard.split('READY=1').length > 2);
  assert.ok(!heard.includes('STOPPING=1'));
  await balancer.stop();
  await eventually('the end', () => heard.includes('STOPPING=1'));
});
