/** The units for systemd, as its own programs judge and use them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ConfigView } from '../../lib/api/types.ts';
import { findFreePort } from '../../lib/drivers/process/free-port.ts';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';
import { skipUnless } from '../helpers/skip.ts';

const CONTRIB = join(import.meta.dirname, '../../contrib');
const ACTIVATE = 'systemd-socket-activate';
const hasTools = ['systemd-analyze', ACTIVATE].every((tool) => spawnSync(tool, ['--version']).status === 0);

describe('the units for systemd', { skip: skipUnless(hasTools, 'no systemd') }, () => {
  it('are what systemd understands', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'ringlb-units-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const units = readdirSync(CONTRIB).filter((name) => /\.(service|socket)$/.test(name));
    assert.ok(units.length >= 3);
    for (const unit of units) {
      const text = readFileSync(join(CONTRIB, unit), 'utf8');
      // the program has to be there, and need not be ringlb
      writeFileSync(join(folder, unit), text.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`));
    }
    const paths = units.map((unit) => join(folder, unit));
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', ...paths], { encoding: 'utf8' });
    // what it does not know it only warns of
    assert.deepEqual([status, stderr], [0, '']);
  });

  it('are given sockets that a balancer serves on', async (t) => {
    const port = (await findFreePort(new Set()))!;
    const adminPort = (await findFreePort(new Set([port])))!;
    const listen = [port, adminPort].flatMap((one) => ['--listen', `127.0.0.1:${one}`]);
    const balancer = Balancer.spawn('--replicas 1 --rehearsal off', {
      through: ['/usr/bin/env', ACTIVATE, ...listen, '--fdname=port:admin-port'],
    });
    t.after(() => balancer.stop());
    [balancer.publicPort, balancer.adminPort] = [port, adminPort];
    await eventually('the sockets', () => balancer.stderr.includes(`:${adminPort} as 4`));
    // it is started by the first connection, which waits until it serves
    assert.equal((await balancer.askAdmin('GET', '/healthz')).status, 200);
    await balancer.untilHealthy();
    assert.equal((await balancer.ask('GET', '/home')).status, 200);
    const { body } = await balancer.askAdmin('GET', '/config');
    const { options } = (JSON.parse(body) as { message: ConfigView }).message;
    const shown = options
      .filter(({ source }) => source === 'socket')
      .map(({ option, value, from }) => `${option} ${value} ${from}`);
    assert.deepEqual(shown, [
      `port ${port} FileDescriptorName=port`,
      'host 127.0.0.1 FileDescriptorName=port',
      `admin-port ${adminPort} FileDescriptorName=admin-port`,
      'admin-host 127.0.0.1 FileDescriptorName=admin-port',
    ]);
  });
});
