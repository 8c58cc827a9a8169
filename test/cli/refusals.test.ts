/** What a wrong command line is told: it speaks of what was typed, not of the request that it would be. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { after, before, beforeEach, describe, it, type TestContext } from 'node:test';
import { deployRoute } from '../../lib/admin/routes/deploy.ts';
import { explainRoute } from '../../lib/admin/routes/explain.ts';
import { type Running, runAdmin } from '../helpers/admin/admin.ts';
import { runCommand } from '../helpers/cli/cli.ts';

const SHAPE = '1 to 63 letters, digits, _ . and -, the first a letter or a digit';
const REFUSED = { message: '<Error> no', status: 'failure' };
const unused = (): never => assert.fail('nothing is to be asked for');

describe('a wrong command line', () => {
  let admin: Running;
  before(async () => {
    const deploys = { start: unused, preview: unused, rollBack: unused, status: unused };
    admin = await runAdmin({ routes: [deployRoute(deploys), explainRoute({ explain: unused })] });
  });
  after(() => admin.stop());
  beforeEach(() => {
    admin.fleet.asked.length = 0;
  });

  for (const [args, note] of [
    [['add', 'a b'], `"a b" is no name of a replica: ${SHAPE}`],
    [['add', ''], `"" is no name of a replica: ${SHAPE}`],
    [['add', '3', 'S1', '-x'], undefined],
    [['rm', 'S1', 'a/b'], `"a/b" is no name of a replica: ${SHAPE}`],
    [['add', 'a', 'b', 'a'], '"a" is named twice'],
    [['rm', '1', 'a', 'b'], '2 names for 1 replica'],
    [['drain', 'a b'], `"a b" is no name of a replica: ${SHAPE}, or HOST:PORT`],
    [['undrain', 'a:1', 'a:1'], '"a:1" is named twice'],
    [['weight', 'a b=3'], `"a b" is no name of a replica: ${SHAPE}, or HOST:PORT`],
    [['weight', 'S1=257'], 'weight takes NAME=WEIGHT with a whole number from 0 to 256, not "S1=257"'],
    [['deploy', '--command', 'x', '--batch', 'x'], '--batch must be a whole number, not "x"'],
    [
      ['deploy', '--command', 'x', '--max-error-rate', '2'],
      '--max-error-rate must be a number from 0 to 1, not "2"',
    ],
    [['deploy', 'status', '--env', 'A=1'], '--env does not go with ringlb deploy status'],
    [['deploy', 'status', '--dry-run'], '--dry-run does not go with ringlb deploy status'],
    [['deploy', 'app:2', '--dry-run', '-d'], '--detach does not go with --dry-run'],
    [['explain', '--header', 'a(b=c'], '--header: "a(b" is not the name of a header'],
    [['events', '-n', '1234567'], '--limit must be a whole number from 0 to 999999, not "1234567"'],
    [['logs', '-n', 'x'], '--lines must be a whole number from 0 to 99999, not "x"'],
  ] as const) {
    it(`is refused without a request: ${args.join(' ')}`, async () => {
      const { notes, exitStatus } = await runCommand(admin.port, args);
      assert.equal(exitStatus, 2);
      if (note !== undefined) assert.deepEqual(notes, [note]);
      assert.deepEqual(admin.fleet.asked, []);
    });
  }

  for (const [args, note] of [
    [['add', '99999'], /^N must be a whole number from 1 to 10000, not 99999$/],
    [['rm', '99999'], /^N must be/],
    [['scale', '99999'], /^N must be/],
    [['scale', '--min', '99999'], /^--min must be a whole number from 0 to 10000, not 99999$/],
    [['scale', '--max', '0'], /^--max must be/],
    [['scale', '--target', '0'], /^--target must be/],
    [['deploy', ''], /^IMAGE must not be empty$/],
    [['deploy', '--command', ''], /^--command must not be empty$/],
    [['deploy', '--command', 'x', '--batch', '0'], /^--batch must be a whole number from 1 to/],
    [['deploy', '--command', 'x', '--watch', 'soon'], /^--watch must be a duration/],
    [['deploy', '--env', '1 a=b'], /^--env: "1 a" must be/],
    [['explain', ''], /^KEY is empty$/],
    [['explain', '--path', 'a'], /^--path must be/],
  ] as const) {
    it(`is refused by the balancer in words of the command line: ${args.join(' ')}`, async () => {
      const { notes, exitStatus } = await runCommand(admin.port, args);
      assert.match(notes.join('\n'), note);
      assert.equal(exitStatus, 1);
    });
  }
});

async function portOf(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

const serving = (t: TestContext, handler: RequestListener): Promise<number> =>
  portOf(t, createServer({ keepAliveTimeout: 1 }, handler));

describe('a response that is in the form of no balancer, or of one of another version', () => {
  for (const message of [{}, null, [], 'x'])
    for (const args of [
      ['status'],
      ['rm', 'S1'],
      ['events'],
      ['logs', 'S1'],
      ['deploy', 'status'],
      ['scale'],
    ])
      it(`is an error of ${args.join(' ')}: ${JSON.stringify(message)}`, async (t) => {
        const port = await serving(t, (_request, response) =>
          response.end(JSON.stringify({ status: 'successful', message })),
        );
        const { notes, exitStatus } = await runCommand(port, args);
        const [note = ''] = notes.slice(-1);
        assert.ok(
          note.startsWith(`the response of http://127.0.0.1:${port} is not in the form of ringlb `),
          note,
        );
        assert.equal(exitStatus, 3);
      });
});

describe('a followed stream', () => {
  for (const args of [
    ['events', '-f'],
    ['logs', '-f'],
  ]) {
    it(`is none where something else answers: ${args.join(' ')}`, async (t) => {
      const port = await serving(t, (_request, response) => response.end('<h1>hello</h1>'));
      const { notes, exitStatus } = await runCommand(port, args);
      assert.deepEqual(notes, [`what responds at http://127.0.0.1:${port} is no balancer: 200`]);
      assert.equal(exitStatus, 3);
    });

    it(`is none at the public port: ${args.join(' ')}`, async (t) => {
      // as a balancer does: its own /rep, and for everything else what a replica says
      const port = await serving(t, (request, response) => {
        const isRep = request.url === '/rep';
        response.writeHead(isRep ? 200 : 404, { 'content-type': 'application/json' });
        response.end(
          isRep
            ? '{"message":{"N":1,"replicas":["S1"]},"status":"successful"}'
            : '{"message":"<Error> Not found","status":"failure"}',
        );
      });
      const { notes, exitStatus } = await runCommand(port, args);
      assert.match(notes.join(), /is the public port of a balancer, not its admin port/);
      assert.equal(exitStatus, 3);
    });
  }
});

describe('a status that is watched', () => {
  it('says once that the balancer is away, however often it looks', async (t) => {
    let ready = 0;
    const port = await serving(t, (request, response) => {
      // answers the first look, is away for three, and then refuses
      if (request.url === '/readyz') ready++;
      if (ready > 1 && ready < 5) {
        request.socket.destroy();
        return;
      }
      response.writeHead(ready === 1 ? 200 : 403, { 'content-type': 'application/json' });
      const ring = { algorithm: 'maglev', slots: 7, vnodes: 0, version: 1, hash: 'c0ffee', imbalance: 1 };
      const message = { ...ring, N: 0, replicas: [], state: 'off' };
      response.end(JSON.stringify(ready === 1 ? { message, status: 'successful' } : REFUSED));
    });
    const { notes, exitStatus } = await runCommand(port, ['status', '-w', '--interval', '1ms']);
    assert.equal(notes.length, 2, notes.join('\n'));
    assert.match(notes[0]!, /^no balancer responds at/);
    assert.deepEqual([notes[1], exitStatus], ['no', 1]);
  });
});

describe('a public port whose replicas respond to every path in the form of the balancer', () => {
  for (const args of [['status'], ['events'], ['scale'], ['explain', 'a'], ['events', '-f'], ['logs', '-f']])
    it(`is told by ${args.join(' ')}, which prints nothing else`, async (t) => {
      const port = await serving(t, (request, response) => {
        const message = request.url === '/rep' ? { N: 1, replicas: ['S1'] } : 'Hello from Server: S1';
        response.end(JSON.stringify({ message, status: 'successful' }));
      });
      const { lines, notes, exitStatus } = await runCommand(port, args);
      assert.deepEqual(lines, []);
      assert.match(notes.join(), /^http:\S+ is the public port of a balancer, not its admin port/);
      assert.equal(exitStatus, 3);
    });
});

describe('a port where no balancer responds', () => {
  it('is told from one that speaks something else', async (t) => {
    const port = await portOf(
      t,
      createTcpServer((socket) => socket.on('error', () => {}).end('SSH-2.0-x\r\n')),
    );
    const { notes, exitStatus } = await runCommand(port, ['status']);
    assert.match(notes.join(), /: what responds does not speak HTTP$/);
    assert.equal(exitStatus, 3);
  });

  it('is told from one that closes the connection, as one for TLS does', async (t) => {
    const port = await portOf(
      t,
      createTcpServer((socket) => socket.on('error', () => {}).once('data', () => socket.end())),
    );
    const { notes, exitStatus } = await runCommand(port, ['status']);
    assert.match(notes.join(), /: the connection was closed without a response; a port for TLS needs https:/);
    assert.equal(exitStatus, 3);
  });
});
