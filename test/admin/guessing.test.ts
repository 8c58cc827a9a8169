/** Wrong tokens, many of them. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { MOST_TRIES } from '../../lib/admin/failures.ts';
import type { LogFields, Logger } from '../../lib/platform/log.ts';
import { type Running, runAdmin, SECRET } from '../helpers/admin/admin.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { silentLogger } from '../helpers/silent-logger.ts';

const TOKEN = 'correct-horse-battery';

interface Scene extends Running {
  readonly clock: FakeClock;
  readonly lines: (LogFields & { readonly message: string })[];
  /** The status of a change that the client at this address asks the public port for. */
  change(address: string, token: string): Promise<number>;
}

async function open(t: TestContext): Promise<Scene> {
  const clock = new FakeClock();
  const lines: Scene['lines'] = [];
  const log: Logger = {
    ...silentLogger,
    warn: (fields, message) => lines.push({ ...fields, message }),
  };
  const admin = await runAdmin({ access: { token: TOKEN, clock }, log });
  t.after(() => admin.stop());
  return {
    ...admin,
    clock,
    lines,
    async change(address, token) {
      const headers = { 'x-ringlb-peer': `${SECRET} ${address}`, authorization: `Bearer ${token}` };
      return (await admin.ask('POST', '/add', { body: '{"n":1}', headers })).status;
    },
  };
}

describe('who guesses the token', () => {
  it('gets 429 with Retry-After, right or wrong', async (t) => {
    const scene = await open(t);
    for (let count = 0; count < MOST_TRIES; count++)
      assert.equal(await scene.change('9.9.9.9', `g${count}`), 401);
    assert.equal(await scene.change('9.9.9.9', 'another'), 429);
    assert.equal(await scene.change('9.9.9.9', TOKEN), 429);
    const headers = { 'x-ringlb-peer': `${SECRET} 9.9.9.9` };
    const { headers: answered, body } = await scene.ask('POST', '/rm', { body: '{"n":1}', headers });
    assert.equal(answered['retry-after'], '1');
    assert.match(body, /Too many wrong tokens/);
    assert.deepEqual(scene.fleet.asked, []);
  });

  it('locks out nobody at another address', async (t) => {
    const scene = await open(t);
    for (let count = 0; count < 30; count++) await scene.change('9.9.9.9', `g${count}`);
    assert.equal(await scene.change('9.9.9.8', TOKEN), 200);
    const headers = { authorization: `Bearer ${TOKEN}` };
    assert.equal((await scene.ask('POST', '/add', { body: '{"n":1}', headers })).status, 200);
  });

  it('locks out nobody at the same address with one old token', async (t) => {
    const scene = await open(t);
    for (let count = 0; count < 50; count++) await scene.change('10.0.0.1', 'an-old-token');
    assert.equal(await scene.change('10.0.0.1', 'an-old-token'), 429);
    assert.equal(await scene.change('10.0.0.1', TOKEN), 200);
  });

  it('cannot say that it is somebody else', async (t) => {
    const scene = await open(t);
    const forged = { 'x-forwarded-for': '10.0.0.7', forwarded: 'for=10.0.0.7', 'x-real-ip': '10.0.0.7' };
    for (let count = 0; count < 30; count++) {
      const headers = { ...forged, 'x-ringlb-peer': `${SECRET} 9.9.9.9`, authorization: `Bearer g${count}` };
      await scene.ask('POST', '/add', { body: '{"n":1}', headers });
    }
    assert.equal(await scene.change('10.0.0.7', 'wrong'), 401);
    assert.equal(await scene.change('9.9.9.9', TOKEN), 429);
  });

  it('is logged with its address, never with a token', async (t) => {
    const scene = await open(t);
    await scene.change('9.9.9.9', 'some-guess');
    assert.deepEqual(scene.lines, [
      { peer: '9.9.9.9', port: 'public', cause: 'unauthorized', message: 'refused POST /add' },
    ]);
  });

  it('fills no log', async (t) => {
    const scene = await open(t);
    for (let count = 0; count < 200; count++) await scene.change(`9.9.9.${count}`, 'x');
    assert.equal(scene.lines.length, 10);
    scene.clock.advance(5000);
    await scene.change('9.9.9.9', 'x');
    assert.equal(scene.lines.length, 11);
    assert.equal(scene.lines.at(-1)?.untold, 190);
  });
});
