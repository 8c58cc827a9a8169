import assert from 'node:assert/strict';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { beforeEach, describe, it } from 'node:test';
import { readBody } from '../../lib/admin/body.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

const LIMITS = { maxBodyBytes: 10, bodyIdleMs: 100, bodyTotalMs: 250 };

describe('readBody', () => {
  let clock: FakeClock;
  let request: IncomingMessage;

  beforeEach(() => {
    clock = new FakeClock();
    request = new IncomingMessage(new Socket());
  });

  /** Gives the reader the bytes and lets it take them. */
  async function arrive(bytes: string | null): Promise<void> {
    request.push(bytes);
    await new Promise(setImmediate);
  }

  it('gives the whole body as text', async () => {
    const body = readBody(request, LIMITS, clock);
    await arrive('{"n"');
    await arrive(':1}');
    await arrive(null);
    assert.equal(await body, '{"n":1}');
  });

  it('leaves no timer and no listener behind', async () => {
    const before = request.eventNames();
    const body = readBody(request, LIMITS, clock);
    await arrive('x');
    await arrive(null);
    await body;
    assert.equal(clock.pending, 0);
    assert.deepEqual(request.eventNames(), before);
  });

  it('joins a character that is cut between two chunks', async () => {
    const body = readBody(request, LIMITS, clock);
    request.push(Buffer.from([0xc3]));
    request.push(Buffer.from([0xa9]));
    request.push(null);
    assert.equal(await body, 'é');
  });

  it('fails where no byte comes for the idle time', async () => {
    const body = readBody(request, LIMITS, clock);
    await arrive('x');
    clock.advance(100);
    await assert.rejects(body, { code: 'request-timeout' });
    assert.equal(clock.pending, 0);
  });

  it('fails where no byte comes at all', async () => {
    const body = readBody(request, LIMITS, clock);
    clock.advance(100);
    await assert.rejects(body, { code: 'request-timeout' });
  });

  it('fails at the total time, though bytes trickle in', async () => {
    const body = readBody(request, LIMITS, clock);
    for (let waited = 0; waited < 200; waited += 50) {
      await arrive('x');
      clock.advance(50);
    }
    await arrive('x');
    clock.advance(50);
    await assert.rejects(body, { code: 'request-timeout' });
  });

  it('goes on while bytes come in time', async () => {
    const body = readBody(request, LIMITS, clock);
    await arrive('a');
    clock.advance(99);
    await arrive('b');
    clock.advance(99);
    await arrive(null);
    assert.equal(await body, 'ab');
  });

  it('fails once the bytes are too many', async () => {
    const body = readBody(request, LIMITS, clock);
    const refused = assert.rejects(body, {
      code: 'body-too-large',
      message: 'The body is larger than 10 bytes',
    });
    await arrive('0123456789');
    await arrive('x');
    await refused;
  });

  it('fails at once where Content-Length is too large', async () => {
    request.headers = { 'content-length': '11' };
    const asked: string[] = [];
    await assert.rejects(
      readBody(request, LIMITS, clock, () => asked.push('body')),
      { code: 'body-too-large' },
    );
    assert.deepEqual(asked, []);
    assert.equal(clock.pending, 0);
  });

  it('fails where the client goes away', async () => {
    const body = readBody(request, LIMITS, clock);
    await arrive('x');
    request.destroy();
    await assert.rejects(body, { code: 'bad-request', message: 'The body was cut off' });
    assert.equal(clock.pending, 0);
  });
});
