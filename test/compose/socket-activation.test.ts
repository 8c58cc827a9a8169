import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PassedSockets } from '../../lib/compose/ports/passed-sockets.ts';
import { withSockets } from '../../lib/compose/ports/socket-activation.ts';
import { Reloader } from '../../lib/compose/reload.ts';
import { loadSettings, type Settings } from '../../lib/config/config.ts';
import { silentLogger } from '../helpers/silent-logger.ts';

const SOCKETS: PassedSockets = {
  port: [{ fd: 3, host: '', port: 8080 }],
  'tls-port': [],
  'admin-port': [{ fd: 4, host: '127.0.0.1', port: 8081 }],
};

function settingsOf(environment: Readonly<Record<string, string>> = {}): Settings {
  return loadSettings([], environment, []);
}

/** What `/config` shows of the options of ports, after a reload that read `later`. */
async function shownAfter(first: Settings, later: Settings) {
  const reloader = new Reloader({
    settings: withSockets(first, SOCKETS),
    load: () => withSockets(later, SOCKETS),
    prepare: () => ({ commit: async () => {} }),
    journal: { note() {} },
    log: silentLogger,
  });
  const reloaded = await reloader.reload();
  const options = reloader.view().options.filter(({ source }) => source === 'socket');
  return { reloaded, shown: options.map(({ option, value }) => `${option} ${value}`) };
}

describe('options with sockets of systemd', () => {
  it('are shown as they are served, also after a reload', async () => {
    const { reloaded, shown } = await shownAfter(settingsOf(), settingsOf({ LB_RETRIES: '1' }));
    assert.deepEqual(shown, ['port 8080', 'host ', 'admin-port 8081', 'admin-host 127.0.0.1']);
    assert.deepEqual(reloaded, { changed: ['retries'], needsRestart: [] });
  });

  it('are not reloaded with another port than the socket has', async () => {
    await assert.rejects(shownAfter(settingsOf(), settingsOf({ LB_PORT: '81' })), {
      code: 'bad-request',
      message: /LB_PORT is 81, but the socket named port that systemd passes has port 8080/,
    });
  });

  it('need a token where the admin socket is open to other machines', () => {
    const wide = { ...SOCKETS, 'admin-port': [{ fd: 4, host: '', port: 8081 }] };
    assert.throws(() => withSockets(settingsOf(), wide), {
      name: 'ConfigError',
      problems: [
        'FileDescriptorName=admin-port (all interfaces) is wider than loopback and needs --admin-token or --admin-token-file',
      ],
    });
    withSockets(settingsOf({ LB_ADMIN_TOKEN: 'a-long-enough-token' }), wide);
  });
});

it('a port that was chosen is shown in place of 0', () => {
  const reloader = new Reloader({
    settings: settingsOf({ LB_PORT: '0' }),
    load: settingsOf,
    prepare: () => ({ commit: async () => {} }),
    journal: { note() {} },
    log: silentLogger,
  });
  reloader.serveOn({ port: 32_000, adminPort: 5001 });
  const shown = reloader.view().options.find(({ option }) => option === 'port');
  assert.deepEqual([shown?.value, shown?.from], ['32000', 'LB_PORT']);
});
