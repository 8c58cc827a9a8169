/** What replicas print, from the process to the admin port. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { LogLine } from '../../lib/api/types.ts';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';

const SERVER = `require('node:http').createServer((q, s) => {
  if (q.url === '/die') { process.stderr.write('half a line of ' + process.pid); process.exit(3); }
  if (q.url === '/flood') { const text = 'x'.repeat(80) + '\\n'; for (let n = 0; n < 2000; n++) process.stdout.write(text.repeat(100)); process.stdout.write('the end of it\\n'); }
  s.end('ok');
}).listen(process.env.PORT, '127.0.0.1', () => console.log('listening as ' + process.env.SERVER_ID));`;

describe('the logs of a running balancer', { timeout: 300_000 }, () => {
  const balancers: Balancer[] = [];
  after(async () => {
    for (const balancer of balancers) await balancer.stop();
  });

  async function ready(count: number): Promise<Balancer> {
    const code = SERVER.replaceAll('\n', ' ').replaceAll("'", `'"'"'`);
    const command = `exec ${process.execPath} -e '${code}'`;
    const balancer = await Balancer.ready(`--replicas ${count} --retries 0`, ['--command', command]);
    balancers.push(balancer);
    return balancer;
  }

  async function lines(balancer: Balancer, query = ''): Promise<readonly LogLine[]> {
    const { status, body } = await balancer.askAdmin('GET', `/logs${query}`);
    assert.equal(status, 200, body);
    return (JSON.parse(body) as { message: { lines: readonly LogLine[] } }).message.lines;
  }

  it('have what each replica printed, a dead instance included', async () => {
    const balancer = await ready(2);
    const texts = (await lines(balancer)).map(({ replica, text }) => `${replica}: ${text}`);
    assert.deepEqual(texts.toSorted(), ['S1: listening as S1', 'S2: listening as S2']);
    const { instance } = await balancer.replica('S1');
    await balancer.ask('GET', '/die', { headers: { 'x-request-id': '1' } }).catch(() => {});
    const died = await eventually('the last words', async () =>
      (await lines(balancer)).find(({ stream }) => stream === 'stderr'),
    );
    assert.match(died.text, /^half a line of \d+$/);
    assert.ok(died.instance.startsWith(died.text.split(' ').at(-1)!));
    if (died.replica === 'S1') assert.equal(died.instance, instance);
    await eventually('another instance in the place', async () => {
      const ofReplica = await lines(balancer, `?replica=${died.replica}`);
      return new Set(ofReplica.map((line) => line.instance)).size === 2;
    });
  });

  it('have the end of a flood', async () => {
    const balancer = await ready(1);
    assert.equal((await balancer.ask('GET', '/flood')).status, 200);
    const kept = await eventually('the end', async () => {
      const all = await lines(balancer, '?replica=S1&lines=1000');
      return all.at(-1)?.text === 'the end of it' ? all : undefined;
    });
    assert.equal(kept.length, 500);
  });
});
