/** The whole balancer, asked over bare sockets by those who must not steer it. */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Balancer } from '../helpers/balancer.ts';
import { RawClient, type RawResponse } from '../helpers/raw-http.ts';

const TOKEN = 'correct-horse-battery';
const ONE = '{"n":1}';

async function raw(port: number, text: string): Promise<RawResponse> {
  const client = await RawClient.connect(port);
  client.send(text);
  const response = await client.response();
  client.close();
  return response;
}

/** A change with these header lines. */
function change(path: string, headers: string, host = 'localhost'): string {
  return `POST ${path} HTTP/1.1\r\nHost: ${host}\r\n${headers}Content-Length: ${ONE.length}\r\n\r\n${ONE}`;
}

describe('a balancer without a token', () => {
  let balancer: Balancer;
  before(async () => {
    balancer = await Balancer.ready('--replicas 1 --workers 2');
  });
  after(() => balancer.stop());

  it('warns at start that the public port accepts changes', () => {
    const [line, ...more] = balancer.lines.filter(
      ({ level, msg }) => level === 'warn' && /public port/.test(msg),
    );
    assert.match(line?.msg ?? '', /loopback or private address.*set admin-token, or public-admin off/);
    assert.deepEqual(more, []);
  });

  for (const [title, text] of [
    ['a page of another site', change('/add', 'Origin: http://evil.example\r\n')],
    ['a page under a name of its own', change('/add', 'Origin: http://evil.example\r\n', 'evil.example')],
    ['a rebound name that says no more', change('/add', '', 'evil.example')],
    ['an absolute form of its own', change('http://evil.example/add', 'Origin: http://evil.example\r\n')],
    ['a form', change('/add', 'Origin: http://localhost\r\nContent-Type: text/plain\r\n')],
  ] as const) {
    it(`changes nothing for ${title}, on either port`, async () => {
      for (const port of [balancer.publicPort, balancer.adminPort]) {
        const { status, body } = await raw(port, text);
        assert.ok(status === 403 || status === 415, `${status} ${body}`);
      }
      assert.match((await balancer.ask('GET', '/rep')).body, /"N":1,/);
    });
  }

  it('takes a change from this machine on the public port', async () => {
    const { status, body } = await balancer.ask('POST', '/add', { body: { n: 1, hostnames: ['extra'] } });
    assert.equal(status, 200, body);
    assert.equal((await balancer.ask('DELETE', '/rm', { body: { n: 1, hostnames: ['extra'] } })).status, 200);
  });
});

describe('a balancer with a token file and a wide admin port', () => {
  let balancer: Balancer;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ringlb-'));
    const file = join(folder, 'token');
    await writeFile(file, `${TOKEN}\n`);
    await chmod(file, 0o600);
    balancer = await Balancer.serving(`--replicas 1 --admin-host 0.0.0.0 --admin-token-file ${file}`);
  });
  after(async () => {
    await balancer.stop();
    await rm(folder, { recursive: true });
  });

  it('takes changes with the token alone, on either port', async () => {
    const bearer = `Authorization: Bearer ${TOKEN}\r\n`;
    // n is no number: that much is looked at only once the token is right
    const wrong = (headers: string) => change('/rm', headers).replace(ONE, '{"n":x}');
    for (const port of [balancer.publicPort, balancer.adminPort]) {
      assert.equal((await raw(port, change('/rm', ''))).status, 401);
      assert.equal(
        (await raw(port, change('/rm', 'Authorization: Bearer nearly-the-token\r\n'))).status,
        401,
      );
      assert.equal((await raw(port, wrong(bearer))).status, 400);
    }
  });

  it('shows its replicas to who has the token alone', async () => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    assert.equal((await balancer.askAdmin('GET', '/replicas')).status, 401);
    assert.equal((await balancer.askAdmin('GET', '/replicas', { headers })).status, 200);
    assert.equal((await balancer.ask('GET', '/rep')).status, 200);
  });

  it('makes who guesses wait, on the public port as well', async () => {
    const statuses: number[] = [];
    for (let count = 0; count < 30; count++) {
      const headers = `Authorization: Bearer guess-${count}\r\n`;
      statuses.push((await raw(balancer.publicPort, change('/rm', headers))).status);
    }
    assert.equal(statuses.at(-1), 429);
    assert.ok(statuses.filter((status) => status === 401).length >= 15);
  });

  it('warns of nothing, and writes its token nowhere', () => {
    assert.ok(!balancer.lines.some(({ msg }) => /public port take orders/.test(msg)));
    assert.ok(!balancer.stderr.includes(TOKEN) && !balancer.stderr.includes('guess-'));
    assert.ok(
      balancer.lines.some(({ msg, cause }) => msg === 'refused POST /rm' && cause === 'unauthorized'),
    );
  });
});

describe('a balancer whose public port is the application’s alone', () => {
  let balancer: Balancer;
  before(async () => {
    balancer = await Balancer.ready('--replicas 1 --public-admin off');
  });
  after(() => balancer.stop());

  for (const [method, path] of [
    ['GET', '/rep'],
    ['POST', '/add'],
    ['DELETE', '/rm'],
    ['POST', '/rm?dry-run'],
    ['PUT', '/scale'],
  ] as const) {
    it(`gives ${method} ${path} to a replica`, async () => {
      const body = method === 'GET' ? undefined : { n: 1 };
      const { status, body: said } = await balancer.ask(method, path, { body });
      assert.deepEqual(
        [status, JSON.parse(said).message],
        [404, 'Not found: only /home and /heartbeat are here'],
      );
    });
  }

  it('is changed on its admin port as any other', async () => {
    assert.equal((await balancer.askAdmin('PUT', '/scale', { body: { n: 2 } })).status, 200);
    assert.match((await balancer.askAdmin('GET', '/rep')).body, /"N":2,/);
  });
});

describe('a balancer with its admin port on all interfaces', () => {
  it('does not start without a token, and says what to do', async () => {
    const balancer = Balancer.spawn('--admin-host 0.0.0.0');
    assert.deepEqual(await balancer.exited, { code: 2, signal: null });
    assert.match(
      balancer.stderr,
      /0\.0\.0\.0 is wider than loopback and needs --admin-token or --admin-token-file/,
    );
  });
});
