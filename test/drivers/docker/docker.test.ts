/** The docker driver before an engine whose answers come at bad moments; a real one is in test/docker. */
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { DockerApi } from '../../../lib/drivers/docker/api.ts';
import { createDockerDriver } from '../../../lib/drivers/docker/docker.ts';
import { DockerEngine } from '../../../lib/drivers/docker/engine.ts';
import { PoolNetwork } from '../../../lib/drivers/docker/network.ts';
import type { Hint } from '../../../lib/drivers/driver.ts';
import { systemClock } from '../../../lib/platform/clock.ts';
import type { LogFields } from '../../../lib/platform/log.ts';
import { eventually } from '../../helpers/eventually.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';
import { endingIn } from '../../helpers/fleet/endings.ts';
import { type SpecDriver, specWith, withSpec } from '../../helpers/replica-spec.ts';
import { silentLogger } from '../../helpers/silent-logger.ts';
import { FakeEngine, json } from './fake-engine.ts';

const ID = 'a'.repeat(64);
const IMAGE = `sha256:${'b'.repeat(64)}`;
const LIST = 'GET /containers/json';
const INSPECT = `GET /containers/${ID}/json`;
const NETWORKS = { Networks: { net: { IPAddress: '172.18.0.2' } } };
const LABELS = { 'ringlb.pool': 'p', 'ringlb.name': 'S1', 'ringlb.id': '1' };

const summary = (State: string) => ({
  Id: ID,
  Names: ['/S1'],
  Image: 'i',
  ImageID: IMAGE,
  State,
  Labels: LABELS,
  NetworkSettings: NETWORKS,
});

function inspected(state: object): object {
  const State = { Running: false, ExitCode: 0, OOMKilled: false, Error: '', ...state };
  return {
    Id: ID,
    Name: '/S1',
    State,
    Config: { Image: 'i', Labels: LABELS },
    NetworkSettings: NETWORKS,
  };
}

describe('the docker driver', () => {
  let engine: FakeEngine;
  let driver: SpecDriver;
  let clock: FakeClock;

  beforeEach(async () => {
    engine = await FakeEngine.open();
    clock = new FakeClock();
    const api = new DockerApi({ clock: systemClock, socketPath: engine.socketPath, timeoutMs: 1_000 });
    const spec = specWith({ image: 'i', port: 80 });
    const options = {
      spec,
      network: 'net',
      pool: 'p',
      containerPrefix: '',
      adminHost: '127.0.0.1',
      adminPort: 0,
      drainTimeoutMs: 30_000,
      stopTimeoutMs: 10_000,
      log: silentLogger,
    };
    driver = withSpec(createDockerDriver({ ...options, api, clock }), spec);
    engine.reply('GET /_ping', 200);
    engine.reply('GET /images/i/json', 200, { Id: IMAGE });
    engine.reply('POST /volumes/create', 201);
    engine.reply('GET /volumes', 200, { Volumes: null });
    engine.reply('GET /networks/net', 200, { Labels: null });
    engine.reply(LIST, 200, []);
    await driver.open();
    engine.reply('POST /containers/create', 201, { Id: ID });
    engine.reply(`POST /containers/${ID}/start`, 204);
    engine.reply(INSPECT, 200, inspected({ Running: true }));
    engine.reply(`DELETE /containers/${ID}`, 204);
  });
  afterEach(async () => {
    await driver.close(true);
    await engine.close();
  });

  it('lists again if an instance was started meanwhile', async () => {
    let lists = 0;
    engine.on(LIST, async (response) => {
      if (++lists > 1) return json(response, 200, [summary('running')]);
      await driver.start({ name: 'S1', id: 1 });
      json(response, 200, [summary('created')]);
    });
    assert.deepEqual(
      (await driver.list()).map(({ status }) => status),
      ['running'],
    );
  });

  it('reports the second end of a container restarted by hand', async () => {
    engine.reply(LIST, 200, [summary('exited')]);
    engine.reply(INSPECT, 200, inspected({ ExitCode: 0 }));
    assert.equal((await driver.list())[0]?.ending?.text, 'exit 0');
    engine.reply(LIST, 200, [summary('running')]);
    assert.equal((await driver.list())[0]?.ending, undefined);
    engine.reply(LIST, 200, [summary('exited')]);
    engine.reply(INSPECT, 200, inspected({ ExitCode: 137 }));
    assert.equal((await driver.list())[0]?.ending?.text, 'SIGKILL');
  });

  it('inspects a dead container once', async () => {
    engine.reply(LIST, 200, [summary('exited')]);
    engine.reply(INSPECT, 200, inspected({ ExitCode: 143 }));
    await driver.list();
    await driver.list();
    assert.equal(engine.requests.filter((request) => request === INSPECT).length, 1);
  });

  it('lists what the engine is starting without an inspection, which waits for that', async () => {
    engine.reply(LIST, 200, [summary('created')]);
    engine.on(INSPECT, () => {});
    const [instance] = await driver.list();
    assert.equal(instance?.isStarting, true);
    assert.equal(engine.requests.includes(INSPECT), false);
  });

  it('omits a container that vanished while being inspected', async () => {
    engine.reply(LIST, 200, [summary('exited')]);
    engine.reply(INSPECT, 404, { message: 'No such container' });
    assert.deepEqual(await driver.list(), []);
  });

  it('removes the container of a start that failed', async () => {
    engine.reply(`POST /containers/${ID}/start`, 500, { message: 'no space left on device' });
    const refusal = { code: 'start-failed', message: /no space left on device/ };
    await assert.rejects(driver.start({ name: 'S1', id: 1 }), refusal);
    assert.ok(engine.requests.includes(`DELETE /containers/${ID}`));
  });

  it('reports how a container that did not stay up ended', async () => {
    engine.reply(INSPECT, 200, inspected({ ExitCode: 137, OOMKilled: true }));
    const refusal = { code: 'start-failed', message: 'The replica S1 did not stay up: out of memory' };
    await assert.rejects(driver.start({ name: 'S1', id: 1 }), refusal);
  });

  it('names the container that has the name of the next instance', async () => {
    engine.reply('POST /containers/create', 409, { message: 'the name is in use' });
    const holder = { ...inspected({ Running: true }), Config: { Image: 'strange', Labels: {} } };
    engine.reply('GET /containers/S1.next/json', 200, holder);
    await assert.rejects(driver.start({ name: 'S1', id: 1, isNext: true }), {
      code: 'name-held',
      message: /^The name S1\.next is held by a container that is not ours \(.*, image strange\)/,
    });
  });

  describe('starts the successor of a dead container', () => {
    const dead = 'd'.repeat(64);
    const start = `POST /containers/${ID}/start`;
    let inspections: ServerResponse[];
    let started: Promise<unknown>;

    beforeEach(async () => {
      inspections = [];
      engine.on(`GET /containers/${dead}/json`, (response) => inspections.push(response));
      started = driver.start({ name: 'S1', id: 1, isNext: true, predecessor: dead });
      await eventually('it waits', () => inspections.length === 1);
      assert.ok(engine.requests.includes('POST /containers/create'));
      assert.ok(!engine.requests.includes(start));
    });

    afterEach(async () => {
      await started;
      assert.ok(engine.requests.includes(start));
    });

    it('once the engine has cleaned up behind it', () => {
      json(inspections[0]!, 200, inspected({}));
    });

    it('where the engine takes too long for that', () => clock.advance(200));
  });

  it('refuses a second start of a name during the first', async () => {
    const first = driver.start({ name: 'S1', id: 1 });
    await assert.rejects(driver.start({ name: 'S1', id: 1 }), { code: 'name-held' });
    await first;
  });

  it('waits for a removal that somebody else requested', async () => {
    engine.reply(`DELETE /containers/${ID}`, 409, { message: 'removal is already in progress' });
    let isGone = false;
    engine.on(`POST /containers/${ID}/wait`, (response) => {
      isGone = true;
      json(response, 200, { StatusCode: 137 });
    });
    await driver.remove(ID, 0);
    assert.equal(isGone, true);
  });

  it('retries a removal that the engine abandoned', async () => {
    const refusals = [
      [500, { message: `unable to remove filesystem: unlinkat /containers/${ID}: directory not empty` }],
      [409, { message: 'removal is already in progress' }],
    ] as const;
    for (const [status, words] of refusals) {
      const before = engine.requests.length;
      engine.on(`DELETE /containers/${ID}`, (response) => {
        json(response, status, words);
        engine.reply(`DELETE /containers/${ID}`, 204);
      });
      engine.reply(`POST /containers/${ID}/wait`, 200, {
        StatusCode: 137,
        Error: { Message: 'unable to remove filesystem: directory not empty' },
      });
      await driver.remove(ID, 0);
      assert.equal(engine.requests.slice(before).filter((what) => what.startsWith('DELETE')).length, 2);
    }
  });

  it('reports why a removal fails', async () => {
    const refusal = { code: 'engine-unreachable', message: /did not remove the container: device is busy$/ };
    engine.reply(`DELETE /containers/${ID}`, 500, { message: 'device is busy' });
    await assert.rejects(driver.remove(ID, 0), refusal);
    engine.reply(`DELETE /containers/${ID}`, 409, { message: 'removal is already in progress' });
    engine.reply(`POST /containers/${ID}/wait`, 200, { Error: { Message: 'device is busy' } });
    await assert.rejects(driver.remove(ID, 0), refusal);
  });

  it('removes by force what it could not stop', async () => {
    engine.reply(`POST /containers/${ID}/stop`, 500, { message: 'cannot stop: is paused' });
    await driver.remove(ID, 1_000);
    assert.ok(engine.requests.includes(`DELETE /containers/${ID}`));
  });

  it('names a network that it leaves, and its containers', async () => {
    const warnings: LogFields[] = [];
    const Labels = { 'ringlb.pool': 'p' };
    engine.reply('GET /networks/net', 200, { Labels, Containers: { [ID]: { Name: 'db' } } });
    engine.reply('DELETE /networks/net', 403, { message: 'network net has active endpoints' });
    const api = new DockerApi({ clock: systemClock, socketPath: engine.socketPath });
    const log = { ...silentLogger, warn: (fields: LogFields) => void warnings.push(fields) };
    await new PoolNetwork({ engine: new DockerEngine(api), network: 'net', pool: 'p', log }).close();
    assert.deepEqual(warnings, [{ network: 'net', containers: 'db' }]);
  });

  it('fails on a response that is cut', async () => {
    engine.on(LIST, (response) => {
      response.writeHead(200, { 'Content-Length': 100 }).write('[', () => response.destroy());
    });
    await assert.rejects(driver.list(), { code: 'engine-unreachable' });
  });

  it("passes on the engine's own words", async () => {
    engine.reply(LIST, 500, { message: 'the daemon is shutting down' });
    const refusal = {
      code: 'engine-unreachable',
      message: /did not list its containers: the daemon is shutting down/,
    };
    await assert.rejects(driver.list(), refusal);
  });

  it('fails if the socket is not an engine', async () => {
    engine.reply('GET /_ping', 404);
    await assert.rejects(driver.open(), { code: 'engine-unreachable' });
  });

  it('reads events however their bytes come', async () => {
    const hints: Hint[] = [];
    const event = { Action: 'die', Actor: { ID, Attributes: { exitCode: '1', name: 'Sé' } } };
    const bytes = Buffer.from(
      `${JSON.stringify(event)}\n\n{broken\n${JSON.stringify({ ...event, Action: 'start' })}\n`,
    );
    engine.on('GET /events', async (response) => {
      for (const byte of bytes) {
        response.write(Buffer.of(byte));
        await new Promise(setImmediate);
      }
    });
    driver.watch((hint) => hints.push(hint));
    await eventually('three hints', () => hints.length === 3);
    assert.deepEqual(hints, [
      { kind: 'changed', cause: 'subscribed to events' },
      { kind: 'died', instanceId: ID, ending: endingIn('exit 1') },
      { kind: 'changed', cause: 'start Sé' },
    ]);
  });
});
