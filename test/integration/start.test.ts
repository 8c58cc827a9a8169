import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';
import { makeCertificate } from '../helpers/proxy/certificates.ts';
import { skipWithoutPython } from '../helpers/skip.ts';

/** Whether any process has the word in its command line. */
function runs(word: string): boolean {
  return execFileSync('ps', ['-e', '-o', 'args='], { encoding: 'utf8' }).includes(word);
}

describe('a balancer that cannot start', () => {
  let stranger: Server;
  let taken: number;
  const folder = mkdtempSync(join(tmpdir(), 'ringlb-start-'));
  before(async () => {
    const { cert, key } = makeCertificate(['a.example']);
    writeFileSync(join(folder, 'cert'), cert);
    writeFileSync(join(folder, 'key'), key);
    stranger = createServer().listen(0);
    await once(stranger, 'listening');
    taken = (stranger.address() as AddressInfo).port;
  });
  after(() => {
    stranger.close();
    rmSync(folder, { recursive: true });
  });

  it('names every problem with its options and ends with 2', async () => {
    const balancer = Balancer.spawn('--port x --replicas 0 --prot 80', {
      env: { LB_LOAD_FACTOR: '0.5', LB_ALGORITHM: 'random' },
    });
    assert.deepEqual(await balancer.exited, { code: 2, signal: null });
    const problems = balancer.stderr.trim().split('\n');
    for (const name of ['--port', '--replicas', '--prot', 'LB_LOAD_FACTOR', 'LB_ALGORITHM'])
      assert.equal(problems.filter((line) => line.startsWith(`ringlb: ${name} `)).length, 1, name);
    assert.equal(problems.length, 5);
  });

  for (const [title, options] of [
    ['its port', '--admin-port 0 --port'],
    ['its admin port', '--port 0 --admin-port'],
    ['its TLS port', `--port 0 --admin-port 0 --tls-cert ${folder}/cert --tls-key ${folder}/key --tls-port`],
  ] as const) {
    it(`exits 1 with one sentence when ${title} is in use`, async () => {
      const flag = options.split(' ').at(-1);
      const marker = `marker-${process.pid}-${options.length}`;
      const balancer = Balancer.spawn(`${options} ${taken} --command ${marker}`);
      assert.deepEqual(await balancer.exited, { code: 1, signal: null });
      const lines = balancer.stderr
        .trim()
        .split('\n')
        .filter((line) => !line.startsWith('{'));
      assert.equal(lines.length, 1, balancer.stderr);
      assert.match(lines[0]!, new RegExp(`^ringlb: .*${taken} is in use; .*(stop|choose).*${flag}`));
      assert.equal(runs(marker), false);
    });
  }
});

describe('a balancer with weights for replicas that are not there', () => {
  it('warns of them', async () => {
    const balancer = await Balancer.ready('--replicas 2 --weights S1=2,s2=3,S9=1');
    try {
      const { level, msg } = await eventually('the warning', () =>
        balancer.lines.find(({ msg }) => msg.startsWith('weights: ')),
      );
      assert.deepEqual(
        [level, msg],
        ['warn', 'weights: no replica is called s2 or S9; such a weight counts once there is one'],
      );
    } finally {
      await balancer.stop();
    }
  });
});

describe('a balancer over a server that nobody here wrote', () => {
  it('starts python, probes it and serves it', { skip: skipWithoutPython }, async () => {
    const balancer = await Balancer.ready('--replicas 2 --probe-path /', [
      '--command',
      'exec python3 -m http.server --bind 127.0.0.1 $PORT',
    ]);
    try {
      const { status, headers } = await balancer.ask('GET', '/');
      assert.equal(status, 200);
      assert.match(String(headers.server), /^SimpleHTTP/);
    } finally {
      await balancer.stop();
    }
    assert.deepEqual(balancer.commandsLeft, []);
    await eventually('the end of its replicas', () => balancer.remains.length === 0);
  });
});
