/**
 * Changes of the fleet while a balancer over containers takes over: from the moment in which the new one listens to the one
 * in which the pool is its own. A relay between the two keeps the request to hand over for as long as a test wants.
 */
import assert from 'node:assert/strict';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { before, describe, it, type TestContext } from 'node:test';
import type { Balancer } from '../helpers/balancer.ts';
import { docker, ensureReplicaImage, freshName, skipDocker } from '../helpers/docker/docker.ts';
import { healthy, kill, Stage, type StageOptions, until } from '../helpers/docker/stage.ts';

/** The new balancer looks for the other one on the first connection, and hands over on the second. */
const CONNECTIONS = 2;

/** Stands where the new balancer looks for the other one, and is gone once that has connected: then it listens itself. */
class Relay {
  readonly #arrived = Promise.withResolvers<void>();
  readonly #mayGoOn = Promise.withResolvers<void>();
  readonly #server: Server;
  #connections = 0;

  constructor(target: number) {
    this.#server = createServer((client) => {
      if (++this.#connections === CONNECTIONS) this.#server.close();
      this.#pass(client, connect(target, '127.0.0.1'));
    });
  }

  async listen(): Promise<number> {
    this.#server.listen({ host: '127.0.0.1', port: 0, reusePort: true });
    await new Promise((resolve) => this.#server.once('listening', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  /** Resolves once the new balancer has asked for the pool: it listens, and the pool is not its own yet. */
  get arrived(): Promise<void> {
    return this.#arrived.promise;
  }

  /** The former balancer may hear of it. */
  goOn(): void {
    this.#mayGoOn.resolve();
  }

  close(): void {
    this.goOn();
    this.#server.close();
  }

  #pass(client: Socket, former: Socket): void {
    client.on('error', () => former.destroy()).on('end', () => former.end());
    former.on('error', () => client.destroy()).pipe(client);
    client.on('data', async (chunk) => {
      if (chunk.toString('latin1').startsWith('POST /hand-over')) {
        this.#arrived.resolve();
        await this.#mayGoOn.promise;
      }
      former.write(chunk);
    });
  }
}

describe('a fleet of containers that is being taken over', {
  skip: skipDocker ?? false,
  timeout: 300_000,
}, () => {
  before(ensureReplicaImage);

  /** Two balancers, of which the second listens and has asked for the pool; `finish` gives it that. */
  async function begin(t: TestContext, options: StageOptions = {}) {
    const stage = new Stage(t, { ownNames: true });
    const former = await stage.serve(options);
    const relay = new Relay(former.adminPort);
    t.after(() => relay.close());
    const port = await relay.listen();
    const ports = `--port ${former.publicPort} --admin-port ${port}`;
    const next = stage.spawn({ ...options, args: `${options.args ?? ''} ${ports} --take-over` });
    [next.publicPort, next.adminPort] = [former.publicPort, port];
    const ended = next.exited.then(() => assert.fail(`the new balancer ended:\n${next.stderr}`));
    await Promise.race([relay.arrived, ended]);
    const finish = async (): Promise<void> => {
      relay.goOn();
      assert.deepEqual(await former.exited, { code: 0, signal: null });
      await Promise.race([until('the take-over', () => next.stderr.includes('took over')), ended]);
    };
    return { stage, former, next, finish };
  }

  const removeAt = (balancer: Balancer, ...hostnames: readonly string[]) =>
    balancer.askAdmin('DELETE', '/rm', { body: { n: 1, hostnames } });
  const addAt = (balancer: Balancer, ...hostnames: readonly string[]) =>
    balancer.askAdmin('POST', '/add', { body: { n: 1, hostnames } });

  const namesAt = async (balancer: Balancer): Promise<readonly string[]> => {
    const { body } = await balancer.askAdmin('GET', '/rep');
    return (JSON.parse(body) as { message: { replicas: readonly string[] } }).message.replicas;
  };

  it('gets what is added at the new balancer, once', async (t) => {
    const { stage, next, finish } = await begin(t);
    const name = freshName();
    const added = addAt(next, name);
    await finish();
    assert.equal((await added).status, 200);
    assert.deepEqual((await healthy(next, 4)).map((replica) => replica.name).at(-1), name);
    await stage.settled(next);
  });

  it('loses what is removed at the new balancer', async (t) => {
    const { stage, former, next, finish } = await begin(t);
    const [victim = '', ...others] = await namesAt(next);
    const removed = removeAt(next, victim);
    const name = freshName();
    assert.equal((await addAt(former, name)).status, 200);
    // the new balancer has had another look at the pool since it was asked
    await until('the addition to be followed', async () => (await namesAt(next)).includes(name));
    await finish();
    assert.equal((await removed).status, 200);
    await stage.settled(next);
    assert.deepEqual(await namesAt(next), [...others, name]);
  });

  it('keeps what was added at the former balancer', async (t) => {
    const { stage, former, next, finish } = await begin(t);
    const name = freshName();
    assert.equal((await addAt(former, name)).status, 200);
    await finish();
    assert.deepEqual((await healthy(next, 4)).map((replica) => replica.name).at(-1), name);
    await stage.settled(next);
  });

  it('has what was being added at the former balancer, where that says so', async (t) => {
    const { stage, former, next, finish } = await begin(t);
    const name = freshName();
    const added = addAt(former, name);
    await until('its container', async () => (await stage.containers()).some((one) => one.name === name));
    await finish();
    const { status } = await added;
    await healthy(next, status === 200 ? 4 : 3);
    assert.equal((await namesAt(next)).includes(name), status === 200);
    await stage.settled(next);
  });

  it('changes hands while the former balancer waits for a container to stop', async (t) => {
    // a signal that nothing ends by, so that the engine waits longer than the new balancer does for a response
    const args = '--stop-signal SIGWINCH --stop-timeout 20s';
    const { stage, former, next, finish } = await begin(t, { args });
    const [victim = '', ...others] = await namesAt(former);
    assert.equal((await removeAt(former, victim)).status, 200);
    const signals = ['--filter', 'event=kill', '--filter', `label=ringlb.pool=${stage.pool}`];
    await until(
      'a signal',
      async () => (await docker('events', '--since', '10m', '--until', '0s', ...signals)) !== '',
    );
    await finish();
    await stage.settled(next);
    assert.deepEqual(await namesAt(next), others);
    // it would wait as long for each container that it has
    await kill(next);
  });

  it('stays with the former balancer where the new one is killed', async (t) => {
    const { stage, former, next } = await begin(t);
    await kill(next);
    const name = freshName();
    assert.equal((await addAt(former, name)).status, 200);
    assert.deepEqual(await namesAt(former), ['S1', 'S2', 'S3', name]);
    await stage.settled(former);
  });

  it('goes to the new balancer where the former one is killed', async (t) => {
    const { stage, former, next } = await begin(t);
    const name = freshName();
    const added = addAt(next, name);
    await kill(former);
    assert.equal((await added).status, 200);
    assert.deepEqual((await healthy(next, 4)).map((replica) => replica.name).at(-1), name);
    await stage.settled(next);
  });

  it('is not deployed to by the balancer that does not have it yet', async (t) => {
    const { stage, next, finish } = await begin(t);
    const started = next.askAdmin('POST', '/deploy', { body: { restart: true, watch: '100ms' } });
    await finish();
    assert.equal((await started).status, 202);
    await until('the deploy', async () => {
      const { body } = await next.askAdmin('GET', '/deploy');
      const { state } = (JSON.parse(body) as { message: { deploy: { state: string } } }).message.deploy;
      assert.notEqual(state, 'rolled-back');
      return state === 'done';
    });
    await stage.settled(next);
  });
});
