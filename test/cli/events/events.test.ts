/** `ringlb events` against an admin port that streams, breaks off, and comes back. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { widthOf } from '../../../lib/cli/output.ts';
import { keptOutput, runCommand } from '../../helpers/cli/cli.ts';
import { eventually } from '../../helpers/eventually.ts';

const event = (count: number, more: object = {}) => ({
  id: `a-${count}`,
  time: '2026-11-21T03:12:00.000Z',
  kind: 'healthy',
  replica: `S${count}`,
  cause: null,
  instance: 'c0ffee',
  ms: null,
  cost: null,
  ...more,
});
const DIED = event(1, {
  kind: 'died',
  cause: 'exit \u001b[2J137',
  ms: 1234,
  cost: { retried: 2, held: 0, failed: 1 },
});
const PLAIN = event(2);
const STARTED = event(2, { kind: 'started', cause: 'new', image: 'app@sha256:12' });
const UNHEALTHY = { ...PLAIN, kind: 'unhealthy', cause: 'probe failed: 503' };
const RESTORED = event(3, { replica: null, kind: 'engine-back' });

const streamed = (...events: readonly { readonly id: string }[]): string =>
  events.map((one) => `id: ${one.id}\ndata: ${JSON.stringify(one)}\n\n`).join('');

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

async function serve(
  t: TestContext,
  handler: Handler,
): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port, server };
}

function answer(response: ServerResponse, status: number, message: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ message, status: status < 300 ? 'successful' : 'failure' }));
}

describe('ringlb events', () => {
  it('lists events and the requests that they cost', async (t) => {
    const { port } = await serve(t, (request, response) => {
      assert.equal(request.url, '/events?limit=3');
      answer(response, 200, { N: 3, events: [DIED, PLAIN, RESTORED] });
    });
    assert.deepEqual((await runCommand(port, ['events', '-n', '3'])).lines, [
      'TIME                      REPLICA  EVENT                  TOOK  COST                                  CAUSE',
      '2026-11-21T03:12:00.000Z  S1       <red>died</>             1s  2 requests retried, 1 request failed  exit \ufffd[2J137',
      '2026-11-21T03:12:00.000Z  S2       <green>healthy</>',
      '2026-11-21T03:12:00.000Z           <green>engine-back</>',
    ]);
  });

  it('names the image of a started instance', async (t) => {
    const { port } = await serve(t, (_, response) => answer(response, 200, { N: 1, events: [STARTED] }));
    assert.match((await runCommand(port, ['events'])).lines.at(-1) ?? '', /S2 +started +new; app@sha256:12$/);
  });

  it('follows events, and reconnects with the last event id', async (t) => {
    const heads: (string | undefined)[] = [];
    const answers: Handler[] = [
      (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.end(`retry: 1\n\n${streamed(DIED, PLAIN)}id: a-9\ndata: cut o`);
      },
      (request) => request.socket.destroy(),
      (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(`retry: 1\n\n${streamed(RESTORED)}`);
        setImmediate(() => response.socket?.resetAndDestroy());
      },
      (_request, response) => answer(response, 401, '<Error> This needs the admin token'),
    ];
    const { port } = await serve(t, (request, response) => {
      assert.equal(request.headers.accept, 'text/event-stream');
      heads.push(request.headers['last-event-id'] as string | undefined);
      answers.shift()?.(request, response);
    });
    const { lines, notes, exitStatus } = await runCommand(port, ['events', '--follow']);
    assert.deepEqual(lines, [
      '2026-11-21T03:12:00.000Z  S1       <red>died</>  1s  exit \ufffd[2J137  2 requests retried, 1 request failed',
      '2026-11-21T03:12:00.000Z  S2       <green>healthy</>',
      '2026-11-21T03:12:00.000Z           <green>engine-back</>',
    ]);
    assert.deepEqual(heads, [undefined, 'a-2', 'a-2', 'a-3']);
    assert.equal(notes[0], 'connection lost, reconnecting');
    assert.equal(notes[1], 'reconnected');
    assert.match(notes.at(-1) ?? '', /^This needs the admin token/);
    assert.equal(exitStatus, 1);
  });

  it('prints followed events as JSON lines at once', async (t) => {
    let stream: ServerResponse | undefined;
    const { port } = await serve(t, (_request, response) => {
      if (stream !== undefined) return answer(response, 404, '<Error> gone');
      stream = response;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`retry: 1\n\n${streamed(PLAIN)}`);
    });
    const written = keptOutput(true);
    const running = runCommand(port, ['events', '-f', '--json'], { written });
    await eventually('the first event', () => written.lines.length === 1);
    stream?.write(streamed(RESTORED));
    await eventually('the second event', () => written.lines.length === 2);
    assert.deepEqual(
      written.lines.map((line) => JSON.parse(line)),
      [PLAIN, RESTORED],
    );
    stream?.end();
    assert.equal((await running).exitStatus, 1);
  });

  for (const columns of [40, 60, 80]) {
    it(`fit a terminal of ${columns} columns, listed and followed`, async (t) => {
      const { port } = await serve(t, (request, response) => {
        if (request.headers.accept !== 'text/event-stream')
          return answer(response, 200, { N: 4, events: [DIED, PLAIN, STARTED, UNHEALTHY] });
        if (request.headers['last-event-id'] !== undefined) return answer(response, 401, '<Error> no');
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        return response.end(`retry: 1\n\n${streamed(DIED, PLAIN, STARTED, UNHEALTHY)}`);
      });
      for (const args of [['events'], ['events', '-f']]) {
        const written = keptOutput(false, columns);
        const { lines } = await runCommand(port, args, { written });
        for (const line of lines) assert.ok(line.length <= columns, `${line.length}: ${line}`);
        assert.match(lines.join('\n'), /03:12:00 +S1 +died/);
        assert.match(lines.join('\n'), columns < 60 ? /died: exit/ : /died .*exit/);
      }
    });
  }

  it('leave room for a cause, whatever else there is', async (t) => {
    const cause = '終了コード 1: 設定ファイルが見つかりません (/etc/app/config.yaml) 🚀';
    const long = event(1, { replica: 'a'.repeat(63), kind: 'start-failed', count: 12, cause });
    const { port } = await serve(t, (request, response) => {
      if (request.headers.accept !== 'text/event-stream')
        return answer(response, 200, { N: 3, events: [DIED, PLAIN, long] });
      if (request.headers['last-event-id'] !== undefined) return answer(response, 401, '<Error> no');
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      return response.end(`retry: 1\n\n${streamed(DIED, PLAIN, long, UNHEALTHY)}`);
    });
    for (const columns of [40, 60, 80, 120]) {
      const run = async (...args: string[]): Promise<readonly string[]> => {
        const { lines } = await runCommand(port, args, { written: keptOutput(false, columns) });
        for (const line of lines) assert.ok(widthOf(line) <= columns, `${widthOf(line)}: ${line}`);
        return lines;
      };
      const listed = await run('events');
      assert.match(listed[0]!, columns > 40 ? /REPLICA +EVENT .*CAUSE/ : /REPLICA +EVENT$/);
      assert.match(listed.at(-1)!, columns > 40 ? /a… +start-fail.* 終了コード 1/ : /a… +start-failed: 終/);
      const followed = await run('events', '-f');
      assert.match(followed.at(-1)!, / S2 +unhealthy:? +probe/);
      assert.match(followed.at(-2)!, /a… +start-failed.* 終/);
    }
  });

  it('say in a narrow terminal how often, where there is room', async (t) => {
    const often = event(1, { kind: 'start-failed', count: 12, cause: 'exit 3' });
    const { port } = await serve(t, (request, response) => {
      if (request.headers.accept !== 'text/event-stream')
        return answer(response, 200, { N: 1, events: [often] });
      if (request.headers['last-event-id'] !== undefined) return answer(response, 401, '<Error> no');
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      return response.end(`retry: 1\n\n${streamed(often)}`);
    });
    for (const args of [['events'], ['events', '-f']]) {
      const at = async (columns: number): Promise<string> => {
        const { lines } = await runCommand(port, args, { written: keptOutput(false, columns) });
        return lines.at(-1)!.replace(/^03:12:00 +S1 +/, '');
      };
      assert.equal(await at(58), 'start-failed: exit 3 (× 12)');
      assert.match(await at(36), /^start-failed: ex.*…$/);
    }
  });

  it('asks for no past event with -n 0', async (t) => {
    const { port } = await serve(t, (request, response) => {
      assert.equal(request.url, '/events?limit=0');
      answer(response, 200, { N: 0, events: [] });
    });
    assert.deepEqual(await runCommand(port, ['events', '-n', '0']), {
      lines: ['no events'],
      notes: [],
      exitStatus: 0,
    });
  });

  it('does not wait for a balancer that was never reachable', async () => {
    assert.equal((await runCommand(1, ['events', '-f'])).exitStatus, 3);
  });
});
