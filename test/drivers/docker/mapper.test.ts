import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { containerBody } from '../../../lib/drivers/docker/container-body.ts';
import {
  type ContainerSummary,
  endingOfContainer,
  hintOf,
  NO_OUTPUT,
  outputOfFrames,
  retiredName,
  toInstance,
} from '../../../lib/drivers/docker/mapper.ts';
import { containerIdIn, sharedNetwork } from '../../../lib/drivers/docker/network.ts';
import { specWith } from '../../helpers/replica-spec.ts';

const ID = '3f9a1b2c3d4e5f60718293a4b5c6d7e8f90123456789abcdef0123456789abcd';
const DIGEST = `sha256:${'ab'.repeat(32)}`;
const SETTINGS = {
  pool: 'p',
  imageId: DIGEST,
  title: `i@${DIGEST}`,
  port: 80,
  network: 'net',
  user: '65534:65534',
};

function summary(what: Partial<ContainerSummary> = {}): ContainerSummary {
  return {
    Id: ID,
    Names: ['/S2'],
    Image: 'i',
    ImageID: DIGEST,
    State: 'running',
    Labels: { 'ringlb.pool': 'p', 'ringlb.name': 'S2', 'ringlb.id': '2' },
    NetworkSettings: { Networks: { net: { IPAddress: '172.18.0.2' }, other: { IPAddress: '10.0.0.1' } } },
    ...what,
  };
}

describe('a listed container as an instance', () => {
  it('has its place from labels and its endpoint on the network', () => {
    assert.deepEqual(toInstance(summary(), SETTINGS), {
      name: 'S2',
      id: 2,
      instanceId: ID,
      status: 'running',
      endpoint: { host: '172.18.0.2', port: 80 },
      role: 'current',
      ending: undefined,
      image: `i@${DIGEST.slice(0, 19)}`,
      spec: undefined,
    });
  });

  for (const [state, status] of Object.entries({
    running: 'running',
    paused: 'running',
    created: 'dead',
    restarting: 'dead',
    exited: 'dead',
    removing: 'dead',
    dead: 'dead',
  })) {
    it(`is ${status} when the engine says ${state}`, () => {
      const instance = toInstance(summary({ State: state }), SETTINGS);
      assert.equal(instance?.status, status);
      assert.equal(instance?.endpoint === undefined, status === 'dead');
    });
  }

  for (const state of ['created', 'exited', 'running'])
    it(`is ${state === 'created' ? '' : 'not '}about to be started when the engine says ${state}`, () => {
      const instance = toInstance(summary({ State: state }), SETTINGS);
      assert.equal(instance?.isStarting ?? false, state === 'created');
      assert.equal(instance?.ending?.text, state === 'created' ? 'it was never started' : undefined);
    });

  it('is reached at the port that it was started with', () => {
    const { Labels } = containerBody({ name: 'S2', id: 2 }, specWith(), { ...SETTINGS, port: 8080 });
    assert.equal(toInstance(summary({ Labels }), SETTINGS)?.endpoint?.port, 8080);
    assert.equal(
      toInstance(summary({ Labels: { ...Labels, 'ringlb.port': 'x' } }), SETTINGS)?.endpoint?.port,
      80,
    );
  });

  it('has the weight of its label, where that is one', () => {
    const { Labels } = summary();
    const weightOf = (weight: string) =>
      toInstance(summary({ Labels: { ...Labels, 'ringlb.weight': weight } }), SETTINGS)?.weight;
    assert.equal(weightOf('4'), 4);
    assert.equal(weightOf('-1'), undefined);
  });

  it('may be removed by autoscaling where its label says so', () => {
    const { Labels } = summary();
    const byOf = (by: string) =>
      toInstance(summary({ Labels: { ...Labels, 'ringlb.by': by } }), SETTINGS)?.by;
    assert.deepEqual(
      [byOf('scale'), byOf('somebody'), toInstance(summary(), SETTINGS)?.by],
      ['scale', undefined, undefined],
    );
  });

  it('has no endpoint while it is not on the network', () => {
    const elsewhere = { Networks: { other: { IPAddress: '10.0.0.1' } } };
    assert.equal(toInstance(summary({ NetworkSettings: elsewhere }), SETTINGS)?.endpoint, undefined);
  });

  it('is reached by IPv6 where it has no other address', () => {
    const six = { Networks: { net: { IPAddress: '', GlobalIPv6Address: 'fd00::2' } } };
    assert.deepEqual(toInstance(summary({ NetworkSettings: six }), SETTINGS)?.endpoint, {
      host: 'fd00::2',
      port: 80,
    });
  });

  for (const role of ['replaced', 'removed'] as const) {
    it(`is ${role} when its name says so with its short id`, () => {
      const names = [`/${retiredName('S2', role, ID)}`];
      assert.equal(toInstance(summary({ Names: names }), SETTINGS)?.role, role);
    });
  }

  it('is retired whatever prefix its name has', () => {
    const names = [`/shop-${retiredName('S2', 'replaced', ID)}`];
    assert.equal(toInstance(summary({ Names: names }), SETTINGS)?.role, 'replaced');
  });

  it('is current under a name that was given by hand', () => {
    assert.equal(toInstance(summary({ Names: ['/mine'] }), SETTINGS)?.role, 'current');
    assert.equal(toInstance(summary({ Names: ['/S2.replaced.000000000000'] }), SETTINGS)?.role, 'current');
  });

  it('is current when the name of its replica only looks retired', () => {
    const name = retiredName('S2', 'removed', ID);
    const labels = { 'ringlb.name': name, 'ringlb.id': '1' };
    assert.equal(toInstance(summary({ Names: [`/${name}`], Labels: labels }), SETTINGS)?.role, 'current');
  });

  for (const [title, labels] of [
    ['no name', { 'ringlb.id': '1' }],
    ['a name that is none', { 'ringlb.name': '../x', 'ringlb.id': '1' }],
    ['no id', { 'ringlb.name': 'S1' }],
    ['an id that is none', { 'ringlb.name': 'S1', 'ringlb.id': '0' }],
  ] as const) {
    it(`is none when its labels have ${title}`, () => {
      assert.equal(toInstance(summary({ Labels: labels }), SETTINGS), undefined);
    });
  }
});

describe('the end of a container', () => {
  const state = { Running: false, StartedAt: '', ExitCode: 0, OOMKilled: false, Error: '' };
  const ended = (what: Partial<typeof state>) => ({
    Id: ID,
    Name: '/S2',
    State: { ...state, ...what },
    Config: { Image: 'i', Labels: null },
    NetworkSettings: { Networks: {} },
  });

  it('is a signal, lack of memory, or a status with output', () => {
    const tell = (what: Partial<typeof state>, stderr = '') =>
      endingOfContainer(ended(what), { stderr, stdout: '' });
    assert.deepEqual(tell({ ExitCode: 137 }), {
      kind: 'signal',
      code: 137,
      signal: 'SIGKILL',
      text: 'SIGKILL',
    });
    assert.deepEqual(tell({ ExitCode: 137, OOMKilled: true }), {
      kind: 'out-of-memory',
      code: 137,
      signal: 'SIGKILL',
      text: 'out of memory',
    });
    assert.deepEqual(tell({ ExitCode: 1 }, 'Error: no\n'), {
      kind: 'exit',
      code: 1,
      signal: null,
      text: 'exit 1: Error: no',
    });
  });

  it('is the error of the engine when it never ran', () => {
    const ending = endingOfContainer(ended({ ExitCode: 127, Error: 'exec: not found' }), NO_OUTPUT);
    assert.deepEqual([ending.kind, ending.text], ['exit', 'exec: not found']);
  });

  it('is read from framed logs, also truncated ones', () => {
    const frame = (stream: number, text: string) =>
      Buffer.concat([Buffer.from([stream, 0, 0, 0, 0, 0, 0, text.length]), Buffer.from(text)]);
    const logs = Buffer.concat([frame(2, 'one\n'), frame(1, 'out\n'), frame(2, 'two\n')]);
    assert.deepEqual(outputOfFrames(logs), { stderr: 'one\ntwo\n', stdout: 'out\n' });
    assert.deepEqual(outputOfFrames(logs.subarray(0, 17)), { stderr: 'one\n', stdout: '' });
    assert.deepEqual(outputOfFrames(Buffer.alloc(0)), NO_OUTPUT);
  });
});

describe('an event line', () => {
  const line = (action: string, attributes: object) =>
    JSON.stringify({ Type: 'container', Action: action, Actor: { ID, Attributes: attributes } });

  it('of a death names the container and how it ended', () => {
    assert.deepEqual(hintOf(line('die', { exitCode: '143', name: 'S2' })), {
      kind: 'died',
      instanceId: ID,
      ending: { kind: 'signal', code: 143, signal: 'SIGTERM', text: 'SIGTERM' },
    });
  });

  it('of anything else is a reason to list again', () => {
    assert.deepEqual(hintOf(line('rename', { name: 'S9' })), { kind: 'changed', cause: 'rename S9' });
  });

  for (const noise of ['', '{', 'null', '7', '{"Action":"die"}', '{"Action":{},"Actor":{"ID":"x"}}', '[]']) {
    it(`is ignored when it reads ${JSON.stringify(noise)}`, () => {
      assert.equal(hintOf(noise), undefined);
    });
  }
});

describe("the balancer's own container", () => {
  it('is found in a mount table of its inside', () => {
    const table = [
      '590 589 0:53 / /proc rw - proc proc rw',
      `601 588 254:1 /var/lib/docker/containers/${ID}/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda1 rw`,
    ].join('\n');
    assert.equal(containerIdIn(table), ID);
  });

  it('is found where the engine has its own data disk', () => {
    assert.equal(containerIdIn(`1 2 8:1 /containers/${ID}/hostname /etc/hostname rw - ext4 /dev/sda rw`), ID);
  });

  it('is not confused with one seen from the host', () => {
    const table = `80 29 0:48 / /var/lib/docker/containers/${ID}/mounts/shm rw - tmpfs shm rw`;
    assert.equal(containerIdIn(table), undefined);
  });
});

describe('the network that a balancer in a container shares', () => {
  it('is the wanted one where it is on that', () => {
    assert.equal(sharedNetwork(['a', 'ringlb'], 'ringlb'), 'ringlb');
  });
  it('is its first own one else', () => {
    assert.equal(sharedNetwork(['bridge', 'b', 'a'], 'ringlb'), 'a');
  });
  it("is none on the engine's built-in ones", () => {
    assert.equal(sharedNetwork(['bridge', 'host', 'none'], 'ringlb'), undefined);
    assert.equal(sharedNetwork(['bridge'], 'bridge'), undefined);
  });
});
