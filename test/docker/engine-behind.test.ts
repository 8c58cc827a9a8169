/** A Docker engine behind the balancer: its command line takes over connections after a POST with a body. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, describe, it, type TestContext } from 'node:test';
import { BASE_IMAGE, docker, freshName, SOCKET, skipDocker } from '../helpers/docker/docker.ts';
import { Rig } from '../helpers/proxy/rig.ts';

/** A balancer before the engine; its address as `docker -H` takes it. */
async function behindBalancer(t: TestContext): Promise<string> {
  const bridge = createServer({ allowHalfOpen: true }, (client) => {
    const engine = connect({ path: SOCKET, allowHalfOpen: true });
    client.pipe(engine).pipe(client);
    client.on('error', () => engine.destroy());
    engine.on('error', () => client.destroy());
  });
  bridge.listen(0, '127.0.0.1');
  await once(bridge, 'listening');
  t.after(() => bridge.close());
  const rig = await Rig.open(t);
  rig.place(0, { host: '127.0.0.1', port: (bridge.address() as AddressInfo).port });
  return `tcp://127.0.0.1:${rig.port}`;
}

/** One docker command that is given `input`; what it wrote, and its exit status. */
async function run(host: string, args: readonly string[], input: string): Promise<readonly [string, number]> {
  const child = spawn('docker', ['-H', host, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(input);
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  return [output, code];
}

describe('the command line of Docker, with the balancer before the engine', {
  skip: skipDocker ?? false,
}, () => {
  const name = freshName();
  before(() =>
    docker('run', '--detach', '--label', 'ringlb.test', '--name', name, BASE_IMAGE, 'sleep', '600'),
  );
  after(() => docker('rm', '--force', name));

  it('runs a command in a container, with its output and status', { timeout: 300_000 }, async (t) => {
    const host = await behindBalancer(t);
    assert.deepEqual(await run(host, ['exec', name, 'sh', '-c', 'echo out; exit 7'], ''), ['out\n', 7]);
  });

  it('passes input on, and its end', { timeout: 300_000 }, async (t) => {
    const host = await behindBalancer(t);
    const input = 'line\n'.repeat(100_000);
    const [output, code] = await run(host, ['exec', '--interactive', name, 'cat'], input);
    assert.equal(code, 0);
    assert.ok(output === input, `${output.length} of ${input.length} bytes came back`);
  });

  it('runs a container interactively', { timeout: 300_000 }, async (t) => {
    const host = await behindBalancer(t);
    const args = [
      'run',
      '--rm',
      '--interactive',
      '--label',
      'ringlb.test',
      '--name',
      freshName(),
      BASE_IMAGE,
      'cat',
    ];
    assert.deepEqual(await run(host, args, 'hello'), ['hello', 0]);
  });
});
