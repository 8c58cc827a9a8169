/** HTTP/2 clients that everybody has, at a whole balancer: Chromium, h2load, nghttp. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findFreePort } from '../../lib/drivers/process/free-port.ts';
import { skipBrowser, TestBrowser } from '../helpers/admin/browser.ts';
import { Balancer } from '../helpers/balancer.ts';
import { makeCertificate } from '../helpers/proxy/certificates.ts';
import { skipUnless } from '../helpers/skip.ts';

const run = promisify(execFile);
const REPLICA = fileURLToPath(new URL('./page-replica.ts', import.meta.url));
/** What runs in the page, when it has loaded. */
const LOADED = `({
  images: [...document.images].filter((image) => image.naturalWidth > 0).length,
  protocols: [...new Set(performance.getEntriesByType('resource').map((entry) => entry.nextHopProtocol))],
})`;
const ECHO = `new Promise((resolve, reject) => {
  const socket = new WebSocket(location.href.replace(/^https/, 'wss'));
  socket.onopen = () => socket.send('over TLS');
  socket.onmessage = ({ data }) => resolve(data);
  socket.onerror = () => reject(new Error('the WebSocket failed'));
})`;
const skipNghttp = skipUnless(spawnSync('h2load', ['--version']).status === 0, 'no h2load and nghttp');

describe('HTTP/2 clients', () => {
  let directory: string;
  let balancer: Balancer;
  let url: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ringlb-h2-'));
    const { cert, key } = makeCertificate(['localhost']);
    await writeFile(join(directory, 'site.crt'), cert);
    await writeFile(join(directory, 'site.key'), key);
    const tlsPort = (await findFreePort(new Set()))!;
    const files = `--tls-cert ${join(directory, 'site.crt')} --tls-key ${join(directory, 'site.key')}`;
    balancer = await Balancer.ready(`--replicas 2 --workers 2 --tls-port ${tlsPort} ${files} --http2 on`, [
      '--command',
      `exec ${process.execPath} ${REPLICA}`,
    ]);
    url = `https://localhost:${tlsPort}/`;
  });
  after(async () => {
    await balancer.stop();
    await rm(directory, { recursive: true });
  });

  it('Chromium loads a page of fifty images, and has a WebSocket', { skip: skipBrowser }, async () => {
    const browser = await TestBrowser.launch();
    try {
      const { page, errors } = await browser.visit(url, { ignoreHTTPSErrors: true });
      assert.deepEqual(await page.evaluate(LOADED), { images: 50, protocols: ['h2'] });
      assert.equal(await page.evaluate(ECHO), 'over TLS');
      assert.deepEqual(errors, []);
    } finally {
      await browser.close();
    }
  });

  it('h2load is served on every stream', { skip: skipNghttp }, async () => {
    const { stdout } = await run('h2load', ['-n', '2000', '-c', '8', '-m', '10', url]);
    assert.match(stdout, /requests: 2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed/);
    assert.match(stdout, /Application protocol: h2/);
  });

  it('nghttp is served, with a body of its own', { skip: skipNghttp }, async () => {
    const file = join(directory, 'body');
    await writeFile(file, 'x'.repeat(300_000));
    const { stdout } = await run('nghttp', ['-v', '-d', file, url], { maxBuffer: 64 << 20 });
    assert.match(stdout, /:status: 200/);
    assert.doesNotMatch(
      stdout,
      /RST_STREAM|GOAWAY frame <.*>\s+\(last_stream_id=\d+, error_code=(?!NO_ERROR)/,
    );
  });
});
