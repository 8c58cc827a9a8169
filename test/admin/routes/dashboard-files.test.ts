import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { createDashboardRoutes } from '../../../lib/admin/routes/dashboard.ts';
import { type Running, runAdmin } from '../../helpers/admin/admin.ts';

const DIRECTORY = new URL('../../../lib/admin/dashboard/', import.meta.url);
/** Beside the page's own files, and not for a browser. */
const NOT_SERVED = /\.d\.ts$|^tsconfig\.json$|\.png$/;

describe('the files of the dashboard', () => {
  let admin: Running;
  before(async () => {
    admin = await runAdmin({ routes: createDashboardRoutes() });
  });
  after(() => admin.stop());

  it('are all served, and nothing else', () => {
    const served = createDashboardRoutes().map(({ path }) => path);
    const own = readdirSync(DIRECTORY, { recursive: true, encoding: 'utf8' }).filter(
      (name) => /\.\w+$/.test(name) && !NOT_SERVED.test(name),
    );
    const expected = own.map((name) => (name === 'index.html' ? '/' : `/dashboard/${name}`));
    assert.deepEqual(
      served.toSorted(),
      [...expected, '/dashboard/uplot.js', '/dashboard/uplot.css'].toSorted(),
    );
  });

  for (const [path, type, begins] of [
    ['/', 'text/html; charset=utf-8', '<!doctype html>'],
    ['/dashboard/main.js', 'text/javascript; charset=utf-8', '/**'],
    ['/dashboard/styles/page.css', 'text/css; charset=utf-8', '/*'],
    ['/dashboard/icon.svg', 'image/svg+xml', '<svg'],
    ['/dashboard/uplot.js', 'text/javascript; charset=utf-8', '/**'],
    ['/dashboard/uplot.css', 'text/css; charset=utf-8', '.uplot'],
  ] as const) {
    it(`come with their type: ${path} is ${type}`, async () => {
      const { status, headers, body } = await admin.ask('GET', path);
      assert.deepEqual([status, headers['content-type']], [200, type]);
      assert.ok(body.startsWith(begins), body.slice(0, 40));
    });
  }

  it('let a page load only what is served here', async () => {
    for (const path of ['/', '/dashboard/main.js']) {
      const { headers } = await admin.ask('GET', path);
      const policy = headers['content-security-policy'] ?? '';
      assert.match(policy, /default-src 'none'/);
      assert.match(policy, /script-src 'self'(;|$)/);
      assert.match(policy, /connect-src 'self'(;|$)/);
      assert.doesNotMatch(policy, /unsafe|https?:|\*/);
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.equal(headers['referrer-policy'], 'no-referrer');
    }
  });

  it('are revalidated each time and sent only when changed', async () => {
    const first = await admin.ask('GET', '/');
    const tag = first.headers.etag ?? '';
    assert.match(tag, /^"[\w-]{22}"$/);
    assert.equal(first.headers['cache-control'], 'no-cache');
    for (const list of [tag, `"other", W/${tag}`, '*']) {
      const again = await admin.ask('GET', '/', { headers: { 'if-none-match': list } });
      assert.deepEqual([again.status, again.body, again.headers.etag], [304, '', tag], list);
      assert.equal(again.headers['content-length'], undefined);
    }
    const other = await admin.ask('GET', '/', { headers: { 'if-none-match': '"other"' } });
    assert.equal(other.status, 200);
  });

  it('have no path of a request in their names', async () => {
    for (const path of [
      '/dashboard/',
      '/dashboard/../routes/dashboard.ts',
      '/dashboard/%2e%2e/routes/dashboard.ts',
      '/dashboard/tsconfig.json',
      '/index.html',
    ]) {
      assert.equal((await admin.ask('GET', path)).status, 404, path);
    }
  });

  it('are not listed in the 404', async () => {
    const { body } = await admin.ask('GET', '/nothing');
    assert.match(body, /\/replicas/);
    assert.doesNotMatch(body, /dashboard/);
  });
});
