/** Logs of containers from an engine whose streams are cut at bad moments; a real one is in test/docker. */
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { DockerApi } from '../../../lib/drivers/docker/api.ts';
import { ContainerLogs } from '../../../lib/drivers/docker/container-logs.ts';
import { DockerEngine } from '../../../lib/drivers/docker/engine.ts';
import type { Instance, OutputSink } from '../../../lib/drivers/driver.ts';
import { systemClock } from '../../../lib/platform/clock.ts';
import { eventually } from '../../helpers/eventually.ts';
import { FakeEngine } from './fake-engine.ts';

const ID = 'a'.repeat(64);
const LOGS = `GET /containers/${ID}/logs`;
const INSPECT = `GET /containers/${ID}/json`;

const instance = (status: Instance['status']): Instance => ({
  name: 'S1',
  id: 1,
  instanceId: ID,
  status,
  endpoint: undefined,
  role: 'current',
  ending: undefined,
});

/** A frame as the engine sends it, of the second `at`. */
function frame(at: number, text: string, stream = 1): Buffer {
  const payload = Buffer.from(`2026-11-21T03:12:0${at}.000000123Z ${text}`);
  const head = Buffer.alloc(8);
  head[0] = stream;
  head.writeUInt32BE(payload.length, 4);
  return Buffer.concat([head, payload]);
}

describe('the logs of a container', () => {
  let engine: FakeEngine;
  let logs: ContainerLogs;
  let printed: string[];
  let ends: number;
  let queries: URLSearchParams[];
  beforeEach(async () => {
    engine = await FakeEngine.open();
    [printed, queries, ends] = [[], [], 0];
    const api = new DockerApi({ clock: systemClock, socketPath: engine.socketPath });
    const sink: OutputSink = {
      write: (stream, bytes, wallMs) =>
        printed.push(`${stream} ${new Date(wallMs!).getUTCSeconds()} ${bytes.toString()}`),
      end: () => ends++,
    };
    const openOutput = () => sink;
    logs = new ContainerLogs({ api, engine: new DockerEngine(api), openOutput, clock: systemClock });
    running(true);
  });
  afterEach(async () => {
    logs.close();
    await engine.close();
  });

  const running = (Running: boolean) => engine.reply(INSPECT, 200, { State: { Running } });

  /** What each of the connections sends, in turn; it is up to the sender to end it. */
  function answers(...senders: readonly ((response: ServerResponse) => unknown)[]): void {
    let count = 0;
    engine.on(LOGS, (response, request) => {
      queries.push(new URL(request.url!, 'http://engine').searchParams);
      response.writeHead(200);
      response.flushHeaders();
      senders[Math.min(count++, senders.length - 1)]!(response);
    });
  }

  it('are read from frames that are cut anywhere', async () => {
    running(false);
    const bytes = Buffer.concat([frame(1, 'one\n'), frame(2, 'two €\n', 2), frame(3, 'half a li')]);
    answers(async (response) => {
      for (const byte of bytes) {
        response.write(Buffer.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.end();
    });
    logs.follow(ID, 'S1');
    await eventually('the end', () => ends === 1);
    assert.deepEqual(printed, ['stdout 1 one\n', 'stderr 2 two €\n', 'stdout 3 half a li']);
  });

  it('go on behind the last line after a connection was cut', async () => {
    answers(
      (response) => {
        response.write(Buffer.concat([frame(1, 'one\n'), frame(2, 'two\n')]));
        setImmediate(() => response.destroy());
      },
      (response) => {
        running(false);
        response.end(Buffer.concat([frame(2, 'two\n'), frame(3, 'three\n')]));
      },
    );
    logs.follow(ID, 'S1');
    await eventually('the end', () => ends === 1);
    assert.deepEqual(printed, ['stdout 1 one\n', 'stdout 2 two\n', 'stdout 3 three\n']);
    const since = `${Date.parse('2026-11-21T03:12:02Z') / 1000}.000000123`;
    assert.deepEqual(
      queries.slice(0, 2).map((query) => query.get('since')),
      [null, since],
    );
  });

  it('have the half line that the engine kept from a follower', async () => {
    running(false);
    answers(
      (response) => response.end(frame(1, 'one\n')),
      (response) => response.end(Buffer.concat([frame(1, 'one\n'), frame(2, 'half')])),
    );
    logs.follow(ID, 'S1');
    await eventually('the end', () => ends === 1);
    assert.deepEqual(printed, ['stdout 1 one\n', 'stdout 2 half']);
  });

  it('are followed once, however often the container is listed', async () => {
    answers((response) => response.write(frame(1, 'one\n')));
    for (let count = 0; count < 3; count++) logs.followAll([instance('running')]);
    await eventually('a line', () => printed.length === 1);
    assert.equal(queries.length, 1);
  });

  it('of one that ended earlier are not read again', async () => {
    running(false);
    answers((response) => response.end(frame(1, 'one\n')));
    logs.followAll([instance('dead')]);
    await eventually('the end', () => ends === 1);
    const before = queries.length;
    logs.followAll([instance('dead')]);
    assert.deepEqual([queries.length, printed], [before, ['stdout 1 one\n']]);
  });

  it('go on when it is started again by hand', async () => {
    running(false);
    answers((response) => response.end(frame(ends + 1, 'line\n')));
    logs.follow(ID, 'S1');
    await eventually('the end', () => ends === 1);
    logs.followAll([instance('running')]);
    await eventually('the second end', () => ends === 2);
    assert.deepEqual(printed, ['stdout 1 line\n', 'stdout 2 line\n']);
  });

  it('are given up where the logging driver keeps none', async () => {
    engine.reply(LOGS, 501, { message: 'configured logging driver does not support reading' });
    logs.follow(ID, 'S1');
    await eventually('the end', () => ends === 1);
    assert.deepEqual(engine.requests, [LOGS]);
  });

  it('are asked for once where the logging driver keeps none', async () => {
    const another = { ...instance('running'), instanceId: 'b'.repeat(64) };
    for (const id of [ID, another.instanceId])
      engine.reply(`GET /containers/${id}/logs`, 501, { message: 'does not support reading' });
    logs.followAll([instance('running')]);
    await eventually('the end', () => ends === 1);
    // what is asked for by this list has come with the request of the other container
    logs.followAll([instance('running'), another]);
    await eventually('the other end', () => ends >= 2 && engine.requests.at(-1) !== LOGS);
    assert.deepEqual(engine.requests, [LOGS, `GET /containers/${another.instanceId}/logs`]);
  });

  it('end without a word when the driver is closed', async () => {
    answers((response) => response.write(frame(1, 'one\n')));
    logs.follow(ID, 'S1');
    await eventually('a line', () => printed.length === 1);
    logs.close();
    logs.follow(ID, 'S1');
    assert.equal(ends, 0);
    assert.equal(queries.length, 1);
  });
});
