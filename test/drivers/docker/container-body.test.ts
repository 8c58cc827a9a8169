import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ReplicaSpec } from '../../../lib/core/replica-spec.ts';
import { containerBody } from '../../../lib/drivers/docker/container-body.ts';
import { specHash } from '../../../lib/drivers/spec-hash.ts';
import { specWith } from '../../helpers/replica-spec.ts';

const DIGEST = `sha256:${'ab'.repeat(32)}`;
const SETTINGS = {
  pool: 'p',
  imageId: DIGEST,
  title: `i@${DIGEST}`,
  port: 80,
  network: 'net',
  user: '65534:65534',
};

const bodyOf = (fields: Partial<ReplicaSpec>, user = SETTINGS.user) =>
  containerBody({ name: 'S2', id: 2 }, specWith(fields), { ...SETTINGS, user });

describe('the body of a create call', () => {
  const body = containerBody({ name: 'S2', id: 2 }, specWith(), SETTINGS);

  it('grants nothing', () => {
    const host: Record<string, unknown> = body.HostConfig;
    assert.deepEqual(host.CapDrop, ['ALL']);
    assert.deepEqual(host.SecurityOpt, ['no-new-privileges']);
    assert.equal(host.ReadonlyRootfs, true);
    for (const grant of [
      'Privileged',
      'CapAdd',
      'Binds',
      'Mounts',
      'PortBindings',
      'Devices',
      'PidMode',
      'IpcMode',
    ]) {
      assert.equal(host[grant], undefined, grant);
    }
  });

  it("has its replica's weight in a label, unless it is 1", () => {
    const { Labels } = containerBody({ name: 'S5', id: 2, weight: 4 }, specWith(), SETTINGS);
    assert.equal(Labels['ringlb.weight'], '4');
  });

  it('has a label that lets autoscaling remove it', () => {
    const { Labels } = containerBody({ name: 'S5', id: 2, by: 'scale' }, specWith(), SETTINGS);
    assert.equal(Labels['ringlb.by'], 'scale');
  });

  it('records the instance it replaces in a label', () => {
    const { Labels } = containerBody({ name: 'S5', id: 2, instead: 'b0b' }, specWith(), SETTINGS);
    assert.equal(Labels['ringlb.instead'], 'b0b');
  });

  it('names the image by id, and records the spec in labels', () => {
    assert.equal(body.Image, DIGEST);
    const { 'ringlb.image': image, 'ringlb.port': port, 'ringlb.user': user } = body.Labels;
    assert.deepEqual([image, port, user], [`i@${DIGEST}`, '80', '65534:65534']);
  });

  it('records the place in labels, host name, alias and environment', () => {
    const { 'ringlb.pool': pool, 'ringlb.name': name, 'ringlb.id': id } = body.Labels;
    assert.deepEqual([pool, name, id], ['p', 'S2', '2']);
    assert.equal(body.Hostname, 'S2');
    assert.deepEqual(body.NetworkingConfig.EndpointsConfig, { net: { Aliases: ['S2'] } });
    assert.deepEqual(body.Env, ['SERVER_ID=S2', 'PORT=80']);
  });

  it('passes the environment on, before what every replica is told', () => {
    const { Env } = bodyOf({
      env: [
        ['MODE', 'blue'],
        ['MODE', 'green'],
      ],
    });
    assert.deepEqual(Env, ['MODE=blue', 'MODE=green', 'SERVER_ID=S2', 'PORT=80']);
  });

  it('fills in templates', () => {
    const body = bodyOf({
      env: [['URL', 'http://{name}:{port}/{index}']],
      args: ['--id={index}', '{{name}}'],
      labels: [['app', '{name}']],
      volumes: [{ source: 'data-{name}', target: '/data', isReadOnly: false }],
      secrets: [{ name: 'key', file: '/keys/{name}.pem' }],
      workdir: '/srv/{name}',
    });
    assert.equal(body.Env[0], 'URL=http://S2:80/2');
    assert.deepEqual('Cmd' in body && body.Cmd, ['--id=2', '{name}']);
    assert.equal('app' in body.Labels && body.Labels.app, 'S2');
    assert.equal('WorkingDir' in body && body.WorkingDir, '/srv/S2');
    const sources = 'Mounts' in body.HostConfig && body.HostConfig.Mounts.map(({ Source }) => Source);
    assert.deepEqual(sources, ['data-S2', '/keys/S2.pem']);
  });

  it('mounts volumes by name, paths as they are, secrets read-only', () => {
    const { HostConfig } = bodyOf({
      volumes: [
        { source: 'data', target: '/data', isReadOnly: false },
        { source: '/etc/app', target: '/etc/app', isReadOnly: true },
      ],
      secrets: [{ name: 'db', file: '/keys/db' }],
    });
    assert.deepEqual('Mounts' in HostConfig && HostConfig.Mounts, [
      { Type: 'volume', Source: 'data', Target: '/data', ReadOnly: false },
      { Type: 'bind', Source: '/etc/app', Target: '/etc/app', ReadOnly: true },
      { Type: 'bind', Source: '/keys/db', Target: '/run/secrets/db', ReadOnly: true },
    ]);
  });

  it('sets limits, no swap on top', () => {
    const { HostConfig } = bodyOf({ memoryBytes: 2 ** 29, cpus: 1.5, pids: 100 });
    const { Memory, MemorySwap, NanoCpus, PidsLimit } = HostConfig;
    assert.deepEqual([Memory, MemorySwap, NanoCpus, PidsLimit], [2 ** 29, 2 ** 29, 1.5e9, 100]);
    assert.equal(bodyOf({ pids: 0 }).HostConfig.PidsLimit, -1);
  });

  it('has a tmpfs at /tmp beside a read-only root alone', () => {
    assert.deepEqual(Object.keys(bodyOf({}).HostConfig.Tmpfs), ['/tmp']);
    const writable = bodyOf({ isReadOnly: false }).HostConfig;
    assert.deepEqual([writable.ReadonlyRootfs, writable.Tmpfs], [false, {}]);
  });

  it('lets a tmpfs have its size and options, at /tmp too', () => {
    const { Tmpfs } = bodyOf({
      tmpfs: [
        { target: '/run', bytes: 4096, options: ['mode=1777'] },
        { target: '/tmp', bytes: 8192, options: ['exec'] },
      ],
    }).HostConfig;
    assert.deepEqual(Tmpfs, {
      '/run': 'rw,nosuid,nodev,noexec,size=4096,mode=1777',
      '/tmp': 'rw,nosuid,nodev,size=8192,exec',
    });
  });

  it('leaves root what changing user needs, and nothing to others', () => {
    const { HostConfig } = bodyOf({}, 'root');
    assert.deepEqual(HostConfig.CapDrop, ['ALL']);
    assert.ok('CapAdd' in HostConfig && HostConfig.CapAdd.includes('SETUID'));
    assert.ok(!('CapAdd' in bodyOf({}, 'www-data').HostConfig));
  });

  it('rotates the log, unless that is left to the engine', () => {
    const { HostConfig } = bodyOf({ logMaxBytes: 1024, logMaxFiles: 2 });
    assert.deepEqual('LogConfig' in HostConfig && HostConfig.LogConfig, {
      Type: 'json-file',
      Config: { 'max-size': '1024', 'max-file': '2' },
    });
    assert.ok(!('LogConfig' in bodyOf({ logMaxBytes: 0 }).HostConfig));
  });

  it('keeps command, directory and stop signal of the image by default', () => {
    const body = bodyOf({});
    for (const field of ['Cmd', 'WorkingDir', 'StopSignal']) assert.ok(!(field in body), field);
    const given = bodyOf({ stopSignal: 'SIGQUIT' });
    assert.equal('StopSignal' in given && given.StopSignal, 'SIGQUIT');
  });

  it('lets no label of the spec replace one of the balancer', () => {
    const { Labels } = bodyOf({ labels: [['ringlb.pool', 'other']] });
    assert.equal(Labels['ringlb.pool'], 'p');
  });

  it("has the spec's hash in a label, alike for every replica", () => {
    const spec = specWith({ env: [['ID', '{name}']] });
    const [one, two] = ['S1', 'S2'].map((name) => containerBody({ name, id: 1 }, spec, SETTINGS).Labels);
    assert.equal(one!['ringlb.spec'], specHash(spec));
    assert.equal(two!['ringlb.spec'], specHash(spec));
    assert.notEqual(specHash(spec), specHash(specWith()));
  });
});
