/** What systemd is told, by a stand-in for its program. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { ServiceManager } from '../../lib/platform/service-manager.ts';
import { eventually } from '../helpers/eventually.ts';
import { silentLogger } from '../helpers/silent-logger.ts';

function scene(t: TestContext, variables: Readonly<Record<string, string>> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'ringlb-notify-'));
  const [heard, { PATH = '' }] = [join(folder, 'heard'), process.env];
  writeFileSync(heard, '');
  t.after(() => {
    process.env.PATH = PATH;
    rmSync(folder, { recursive: true });
  });
  const warnings: string[] = [];
  const log = { ...silentLogger, warn: (_: object, message: string) => void warnings.push(message) };
  const environment = { HOME: '/', NOTIFY_SOCKET: join(folder, 'notify'), ...variables };
  const manager = new ServiceManager(environment, log);
  t.after(() => manager.release());
  return {
    manager,
    warnings,
    environment,
    hears: () => readFileSync(heard, 'utf8').split('\n').slice(0, -1),
    /** There is a program that systemd is told by. */
    install() {
      const program = join(folder, 'systemd-notify');
      writeFileSync(program, `#!/bin/sh\necho "$*" >>${heard}\n`);
      chmodSync(program, 0o755);
      process.env.PATH = `${folder}:${PATH}`;
    },
    uninstall() {
      process.env.PATH = folder;
    },
  };
}

describe('a service of systemd', () => {
  it('leaves no variable behind for children', (t) => {
    const { environment } = scene(t, { WATCHDOG_USEC: '1', WATCHDOG_PID: '1' });
    assert.deepEqual(environment, { HOME: '/' });
  });

  it('notifies the watchdog twice in its interval', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const { manager, install, hears } = scene(t, { WATCHDOG_USEC: '30000000' });
    install();
    manager.ready();
    manager.ready();
    await eventually('both', () => hears().length === 2);
    assert.equal(hears()[0], `--no-block READY=1 MAINPID=${process.pid}`);
    t.mock.timers.tick(15_000);
    await eventually('the watchdog', () => hears().length === 3);
    assert.equal(hears()[2], '--no-block WATCHDOG=1');
  });

  it('says once that it cannot notify', async (t) => {
    const { manager, install, uninstall, hears, warnings } = scene(t);
    uninstall();
    manager.ready();
    manager.reloading();
    await eventually('a warning', () => warnings.length > 0);
    install();
    manager.stopping();
    await eventually('a program', () => hears().length > 0);
    assert.deepEqual(hears(), ['--no-block STOPPING=1']);
    assert.deepEqual(warnings, ['systemd could not be notified']);
  });

  it('says nothing more once another process is the service', async (t) => {
    const { manager, install, hears } = scene(t);
    install();
    manager.release();
    manager.stopping();
    const other = scene(t);
    other.install();
    other.manager.stopping();
    await eventually('the other', () => other.hears().length === 1);
    assert.deepEqual(hears(), []);
  });
});
