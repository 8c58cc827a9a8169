import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { claimPort, publicListenError, TLS_PORT_FLAGS } from '../../lib/proxy/bind.ts';

test('a TLS port that is in use is named by its own flag', async (t) => {
  const stranger = createServer().listen(0, '127.0.0.1');
  t.after(() => stranger.close());
  await once(stranger, 'listening');
  const { port } = stranger.address() as AddressInfo;
  await assert.rejects(claimPort(port, '127.0.0.1', TLS_PORT_FLAGS), {
    code: 'port-in-use',
    message: `127.0.0.1 port ${port} is in use; stop what listens there or choose another with --tls-port`,
  });
});

for (const [port, flag] of [
  [443, '--tls-port'],
  [80, '--port'],
  [0, '--port'],
] as const) {
  test(`a thread that cannot listen on port ${port || 'unknown'} names ${flag}`, () => {
    const error = { code: 'EADDRINUSE', message: 'listen', port };
    const { message } = publicListenError(error, { host: '', port: 80, tlsPort: 443 });
    assert.match(message, new RegExp(`^port ${port || 80} is in use; .* with ${flag}$`));
  });
}
