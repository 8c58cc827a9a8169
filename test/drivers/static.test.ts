import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createStaticDriver } from '../../lib/drivers/static.ts';

const upstreams = [
  { host: 'a.example', port: 1 },
  { host: '::1', port: 2 },
];

import { specWith } from '../helpers/replica-spec.ts';

it('lists every server as running, named by address, place as id', async () => {
  const instances = await createStaticDriver({ upstreams }).list();
  assert.deepEqual(
    instances.map(({ name, id, instanceId, status, role, endpoint }) => [
      name,
      id,
      instanceId,
      status,
      role,
      endpoint,
    ]),
    [
      ['a.example:1', 1, 'a.example:1', 'running', 'current', upstreams[0]],
      ['[::1]:2', 2, '[::1]:2', 'running', 'current', upstreams[1]],
    ],
  );
});

it('says that it does not own them', () => {
  assert.equal(createStaticDriver({ upstreams }).ownsInstances, false);
});

it('refuses to start a server, and says why', async () => {
  const driver = createStaticDriver({ upstreams });
  const refusal = { code: 'bad-request', message: /static driver has a fixed list/ };
  await assert.rejects(driver.start({ name: 'S1', id: 1 }, specWith()), refusal);
});

it('makes a server that is reached over TLS now another instance', async () => {
  const driver = createStaticDriver({ upstreams });
  const idsOf = async (): Promise<readonly string[]> =>
    (await driver.list()).map(({ instanceId }) => instanceId);
  const [plain] = await idsOf();
  driver.setUpstreams?.([{ ...upstreams[0]!, tls: true }]);
  const [encrypted] = await idsOf();
  assert.notEqual(encrypted, plain);
  driver.setUpstreams?.(upstreams);
  assert.equal((await idsOf())[0], plain);
});

it('hints at another list, in which those staying keep their ids', async () => {
  const driver = createStaticDriver({ upstreams });
  const hints: string[] = [];
  driver.watch(({ kind }) => hints.push(kind));
  const [, second] = upstreams;
  driver.setUpstreams?.([{ host: 'c.example', port: 3 }, second!, { host: 'd.example', port: 4 }]);
  assert.deepEqual(hints, ['changed']);
  assert.deepEqual(
    (await driver.list()).map(({ name, id }) => [name, id]),
    [
      ['c.example:3', 1],
      ['[::1]:2', 2],
      ['d.example:4', 3],
    ],
  );
});
