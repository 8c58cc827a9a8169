import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createStaticDriver } from '../../lib/drivers/static.ts';

const upstreams = [
  { host: 'a.example', port: 1 },
  { host: '::1', port: 2 },
];

it('lists every server as running, named by its address, with its place in the list as id', async () => {
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

it('refuses to start, retire and remove, and says why', async () => {
  const driver = createStaticDriver({ upstreams });
  const refusal = { code: 'bad-request', message: /static driver has a fixed list/ };
  await assert.rejects(driver.start({ name: 'S1', id: 1 }), refusal);
  await assert.rejects(driver.retire('a.example:1', 'removed'), refusal);
  await assert.rejects(driver.remove('a.example:1', 0), refusal);
});
