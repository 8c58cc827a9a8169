/** `ringlb logs` against an admin port that answers and streams. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import type { LogLine } from '../../lib/api/types.ts';
import { keptOutput, runCommand } from '../helpers/cli/cli.ts';

const line = (text: string, more: Partial<LogLine> = {}): LogLine => ({
  id: 'a-1',
  time: '2026-11-21T03:12:00.000Z',
  replica: 'S1',
  instance: 'c0ffee',
  stream: 'stdout',
  text,
  missed: 0,
  ...more,
});

async function serve(t: TestContext, handler: RequestListener): Promise<number> {
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** A port that answers with these lines; `paths` is what it was asked for. */
async function serveLines(t: TestContext, ...lines: readonly LogLine[]) {
  const paths: string[] = [];
  const port = await serve(t, (request, response) => {
    paths.push(request.url!);
    response.end(JSON.stringify({ message: { N: lines.length, lines }, status: 'successful' }));
  });
  return { port, paths };
}

describe('ringlb logs', () => {
  it('leaves room for the text behind a long name', async (t) => {
    const { port } = await serveLines(t, line('one'), line('two', { replica: 'a'.repeat(63) }));
    const { lines } = await runCommand(port, ['logs'], { written: keptOutput(false, 60) });
    assert.deepEqual(lines, [`${'S1'.padEnd(20)} | one`, `${'a'.repeat(19)}… | two`]);
  });

  it('shows lines behind the names of their replicas', async (t) => {
    const { port, paths } = await serveLines(
      t,
      line('one'),
      line('two', { replica: 'web_a' }),
      line('three'),
    );
    assert.deepEqual((await runCommand(port, ['logs'])).lines, [
      '<cyan>S1    | </>one',
      '<yellow>web_a | </>two',
      '<cyan>S1    | </>three',
    ]);
    assert.deepEqual(paths, ['/logs?lines=200']);
  });

  it('asks for the named replicas, the instance and so many lines', async (t) => {
    const { port, paths } = await serveLines(t);
    const { lines, exitStatus } = await runCommand(port, ['logs', 'S1', 'S2', '-n', '5', '--instance', 'ab']);
    assert.deepEqual([lines, exitStatus], [[], 0]);
    assert.deepEqual(paths, ['/logs?replica=S1&replica=S2&lines=5&instance=ab']);
  });

  it('says that there are no lines, aside of the output', async (t) => {
    const { port } = await serveLines(t);
    const { lines, notes } = await runCommand(port, ['logs']);
    assert.deepEqual([lines, notes], [[], ['no lines']]);
    assert.deepEqual((await runCommand(port, ['logs', '--json'])).notes, []);
  });

  it('lets no replica steer the terminal', async (t) => {
    const { port } = await serveLines(t, line('\u001b[31mred\u001b[0m\ta\u0007b\u202ec\u001b[2J'));
    assert.deepEqual((await runCommand(port, ['logs'])).lines, ['<cyan>S1 | </>red    a\ufffdb\ufffdc']);
  });

  it('marks another instance and missing lines', async (t) => {
    const { port } = await serveLines(
      t,
      line('one', { missed: 7 }),
      line('two', { instance: '0123456789abcdef' }),
    );
    assert.deepEqual((await runCommand(port, ['logs'])).lines, [
      '<cyan>S1 | </><dim>--- 7 lines came too fast to be shown</>',
      '<cyan>S1 | </>one',
      '<cyan>S1 | </><dim>--- instance 0123456789ab</>',
      '<cyan>S1 | </>two',
    ]);
  });

  it('follows across a lost connection', async (t) => {
    let count = 0;
    const asked: (string | string[] | undefined)[] = [];
    const port = await serve(t, (request, response) => {
      asked.push(request.headers['last-event-id']);
      if (count === 2) {
        response.writeHead(403).end(JSON.stringify({ message: '<Error> enough', status: 'failure' }));
        return;
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const one = line(`line ${++count}`, { id: `a-${count}` });
      response.write(`retry: 1\n\nid: ${one.id}\nevent: line\ndata: ${JSON.stringify(one)}\n\n`);
      response.end();
    });
    const written = keptOutput(true);
    await runCommand(port, ['logs', '-f', '--json'], { written });
    assert.deepEqual(
      written.lines.map((text) => JSON.parse(text).text),
      ['line 1', 'line 2'],
    );
    assert.deepEqual(asked, [undefined, 'a-1', 'a-2']);
  });

  it('refuses a number of lines that is none', async () => {
    const { notes, exitStatus } = await runCommand(1, ['logs', '-n', 'all']);
    assert.deepEqual([notes, exitStatus], [['--lines must be a whole number from 0 to 99999, not "all"'], 2]);
  });
});
