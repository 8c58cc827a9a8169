import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ReplicaSpec } from '../../../lib/core/replica-spec.ts';
import { type ServiceSettings, serviceSpec } from '../../../lib/drivers/swarm/service-spec.ts';
import { specWith } from '../../helpers/replica-spec.ts';

const SETTINGS: ServiceSettings = {
  creator: 'c1',
  pool: 'p',
  user: '65534:65534',
  network: 'net',
  constraints: [],
  stopGraceMs: 40_000,
};

const taskOf = (fields: Partial<ReplicaSpec>, user = SETTINGS.user) =>
  serviceSpec({ name: 'S2', id: 2 }, 'S2', specWith(fields), { ...SETTINGS, user }).TaskTemplate;
const containerOf = (fields: Partial<ReplicaSpec>, user?: string) => taskOf(fields, user).ContainerSpec;

describe('the service of a replica', () => {
  it('gets environment, arguments, directory and labels, templates filled in', () => {
    const { Env, Args, Dir, Labels } = containerOf({
      env: [['URL', 'http://{name}:{port}']],
      args: ['--id={index}'],
      workdir: '/srv',
      labels: [['team', '{name}']],
    });
    assert.deepEqual(Env, ['URL=http://S2:5000', 'SERVER_ID=S2', 'PORT=5000']);
    assert.deepEqual([Args, Dir, Labels], [['--id=2'], '/srv', { team: 'S2' }]);
  });

  it('is limited in memory, CPUs and processes', () => {
    const { Resources } = taskOf({ memoryBytes: 2 ** 27, cpus: 1.5, pids: 9 });
    assert.deepEqual(Resources, { Limits: { MemoryBytes: 2 ** 27, NanoCPUs: 1.5e9, Pids: 9 } });
  });

  it('mounts volumes, paths and secrets beside a tmpfs at /tmp', () => {
    const { Mounts } = containerOf({
      volumes: [{ source: 'data-{name}', target: '/data', isReadOnly: false }],
      secrets: [{ name: 'db', file: '/keys/db' }],
    });
    assert.deepEqual(Mounts, [
      { Type: 'tmpfs', Target: '/tmp', TmpfsOptions: { SizeBytes: 64 * 1024 ** 2 } },
      { Type: 'volume', Source: 'data-S2', Target: '/data', ReadOnly: false },
      { Type: 'bind', Source: '/keys/db', Target: '/run/secrets/db', ReadOnly: true },
    ]);
    assert.deepEqual(containerOf({ isReadOnly: false }).Mounts, []);
  });

  it('has no capability but those of a root changing user', () => {
    assert.deepEqual(containerOf({}).CapabilityDrop, ['ALL']);
    assert.equal(containerOf({}).CapabilityAdd, undefined);
    assert.ok((containerOf({}, 'root').CapabilityAdd as readonly string[]).includes('CAP_SETUID'));
  });

  it('has a label that lets autoscaling remove it', () => {
    const { Labels } = serviceSpec({ name: 'S2', id: 2, by: 'scale' }, 'S2', specWith(), SETTINGS);
    assert.equal(Labels['ringlb.by'], 'scale');
  });
});
