import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metricsRoute } from '../../lib/admin/metrics.ts';
import { runAdmin } from '../helpers/admin.ts';

async function stage(t: { after(run: () => unknown): void }) {
  const asked: (string | undefined)[] = [];
  const route = metricsRoute(async (accept) => {
    asked.push(accept);
    return { contentType: 'text/x-metrics', text: 'up 1\n' };
  });
  const admin = await runAdmin({ routes: [route] });
  t.after(() => admin.stop());
  return { asked, admin };
}

test('/metrics answers what is exposed, under its content type', async (t) => {
  const { admin } = await stage(t);
  const { status, body, headers } = await admin.ask('GET', '/metrics');
  assert.deepEqual([status, body], [200, 'up 1\n']);
  assert.equal(headers['content-type'], 'text/x-metrics');
  assert.equal(headers.vary, 'Accept');
});

test('/metrics passes on what the client accepts', async (t) => {
  const { admin, asked } = await stage(t);
  await admin.ask('GET', '/metrics', { headers: { accept: 'a/b;q=0.5' } });
  await admin.ask('GET', '/metrics');
  assert.deepEqual(asked, ['a/b;q=0.5', undefined]);
});

test('/metrics is only read', async (t) => {
  const { admin } = await stage(t);
  const { status, headers } = await admin.ask('POST', '/metrics');
  assert.deepEqual([status, headers.allow], [405, 'GET, HEAD']);
});
