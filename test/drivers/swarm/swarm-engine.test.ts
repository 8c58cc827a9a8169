import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Managers } from '../../../lib/drivers/swarm/managers.ts';
import { withRole } from '../../../lib/drivers/swarm/mapper.ts';
import { SwarmEngine } from '../../../lib/drivers/swarm/swarm-engine.ts';
import { systemClock } from '../../../lib/platform/clock.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';

const SPEC = { Name: 'S1', Labels: {}, TaskTemplate: { ContainerSpec: { Image: 'app' } }, Mode: {} };
const CALL_LIMIT_MS = 200;

describe('the managers of a Swarm', () => {
  let directory: string;
  const servers: Server[] = [];
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ringlb-managers-'));
  });
  after(async () => {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
    await rm(directory, { recursive: true });
  });

  /** A manager that responds as `respond` does. */
  const manager = async (respond: RequestListener): Promise<string> => {
    const path = join(directory, `${servers.length}.sock`);
    const server = createServer(respond);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(path, resolve));
    return `unix://${path}`;
  };
  /** Time passes only where one is asked that is silent. */
  const clock = new FakeClock();
  const silent = (asked = () => {}): Promise<string> =>
    manager(() => {
      asked();
      clock.advance(CALL_LIMIT_MS);
    });
  const engineOver = (engines: readonly string[]): SwarmEngine =>
    new SwarmEngine(new Managers({ engines, clock, callLimitMs: CALL_LIMIT_MS }));
  const json =
    (status: number, body: unknown): RequestListener =>
    (_request, response) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };

  it('are asked in turn where one is silent', async () => {
    const engine = engineOver([await silent(), await manager(json(200, []))]);
    assert.deepEqual(await engine.services(), []);
  });

  it('are asked first who responded last', async () => {
    let asked = 0;
    const slow = await silent(() => asked++);
    const engine = engineOver([slow, await manager(json(200, []))]);
    for (let call = 0; call < 3; call++) await engine.services();
    assert.equal(asked, 1);
  });

  it('are unreachable where none responds', async () => {
    const engine = engineOver([await silent(), await silent()]);
    await assert.rejects(engine.services(), { code: 'engine-unreachable' });
  });

  const LEADERLESS = { message: 'rpc error: code = Unknown desc = The swarm does not have a leader.' };

  it('are asked in turn where one has no leader', async () => {
    const engine = engineOver([
      await manager(json(500, LEADERLESS)),
      await manager(json(201, { ID: 'new' })),
    ]);
    assert.equal(await engine.create(SPEC), 'new');
  });

  it('are unreachable while they elect a leader, whatever they are asked', async () => {
    const engine = engineOver([await manager(json(500, LEADERLESS))]);
    await assert.rejects(engine.create(SPEC), { code: 'engine-unreachable' });
  });

  it('are waited for while they elect a leader', async () => {
    let asked = 0;
    const electing = await manager((request, response) => {
      const reply = asked++ === 0 ? json(500, LEADERLESS) : json(200, {});
      reply(request, response);
    });
    const engine = engineOver([electing]);
    await engine.onceLed(systemClock, () => engine.checkManager());
    assert.equal(asked, 2);
  });

  it('are not asked again where one refuses', async () => {
    let asked = 0;
    const other = await manager((request, response) => {
      asked++;
      json(200, {})(request, response);
    });
    const engine = engineOver([await manager(json(409, { message: 'name conflicts' })), other]);
    await assert.rejects(engine.create(SPEC), { code: 'name-held' });
    assert.equal(asked, 0);
  });

  it('say that a worker is no manager', async () => {
    const worker = await manager(json(503, { message: 'This node is not a swarm manager.' }));
    await assert.rejects(engineOver([worker]).checkManager(), {
      code: 'engine-unreachable',
      message: /^The engine is no manager of a Swarm: give --engines/,
    });
  });

  /** A manager whose first updates are out of sequence, as the version moves on its own. */
  const moving = (late: number) => {
    let version = 1;
    const versions: string[] = [];
    const respond: RequestListener = (request, response) => {
      if (request.method === 'GET')
        return json(200, { ID: 'x', Version: { Index: version }, CreatedAt: '', Spec: SPEC })(
          request,
          response,
        );
      versions.push(/version=(\d+)/.exec(request.url ?? '')![1]!);
      if (version++ > late) return json(200, {})(request, response);
      const message = 'rpc error: code = Unknown desc = update out of sequence';
      json(500, { message })(request, response);
    };
    return { respond, versions };
  };

  it('get an out-of-sequence update again, with the newest version', async () => {
    const { respond, versions } = moving(2);
    const engine = engineOver([await manager(respond)]);
    assert.equal(await engine.update('x', (spec) => withRole(spec, 'removed')), true);
    assert.deepEqual(versions, ['1', '2', '3']);
  });

  it('are given an update five times at most', async () => {
    const { respond, versions } = moving(Number.POSITIVE_INFINITY);
    const engine = engineOver([await manager(respond)]);
    await assert.rejects(
      engine.update('x', (spec) => withRole(spec, 'removed')),
      { code: 'start-failed', message: /update out of sequence/ },
    );
    assert.equal(versions.length, 5);
  });

  it('are not given an update that another made meanwhile', async () => {
    const { respond, versions } = moving(1);
    const engine = engineOver([await manager(respond)]);
    let decisions = 0;
    const update = await engine.update('x', (spec) => (decisions++ === 0 ? spec : undefined));
    assert.equal(update, true);
    assert.deepEqual([decisions, versions], [2, ['1']]);
  });

  it('say where there is no such service to update', async () => {
    const engine = engineOver([await manager(json(404, { message: 'service x not found' }))]);
    assert.equal(await engine.update('x', (spec) => spec), false);
  });
});
