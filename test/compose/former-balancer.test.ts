import assert from 'node:assert/strict';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { beforeEach, describe, it, type TestContext } from 'node:test';
import { FormerBalancer } from '../../lib/compose/ports/take-over.ts';
import type { LogFields, Logger } from '../../lib/platform/log.ts';

const HEALTHY = '{"status":"successful","message":""}';

describe('a balancer that is to hand over', () => {
  let lines: string[];
  beforeEach(() => {
    lines = [];
  });

  function logger(): Logger {
    const write = (_fields: LogFields, text: string): void => void lines.push(text);
    const log: Logger = { debug: write, info: write, warn: write, error: write, component: () => log };
    return log;
  }

  /** Found and connected to; `onConnection` gets the connection for the hand-over. */
  async function connected(t: TestContext, onConnection: (socket: Socket) => void): Promise<FormerBalancer> {
    let connections = 0;
    const server = createServer((socket) => {
      socket.on('error', () => {});
      if (++connections > 1) return onConnection(socket);
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${HEALTHY.length}\r\n\r\n${HEALTHY}`);
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const former = await FormerBalancer.find(
      { adminHost: '127.0.0.1', adminPort: port, adminToken: '' },
      logger(),
    );
    await former!.connect();
    return former!;
  }

  it('is left to itself where it has ended before it is connected to', { timeout: 60_000 }, async (t) => {
    const former = await connected(t, (socket) => socket.resetAndDestroy());
    await former.handOver();
    assert.ok(lines.some((line) => /had ended|did not hand over/.test(line)));
  });

  it('is left to itself where its connection is closed before that', { timeout: 60_000 }, async (t) => {
    const ended = Promise.withResolvers<void>();
    const former = await connected(t, (socket) => {
      socket.once('close', () => ended.resolve());
      socket.destroy();
    });
    await ended.promise;
    // the other end has noticed it as well
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    await former.handOver();
    assert.ok(lines.includes('the former balancer did not hand over, and may still serve'));
  });

  it('is left to itself where it does not respond', { timeout: 60_000 }, async (t) => {
    const former = await connected(t, (socket) => {
      t.after(() => socket.destroy());
    });
    await former.handOver();
    assert.ok(lines.includes('the former balancer did not hand over, and may still serve'));
  });
});
