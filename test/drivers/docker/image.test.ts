import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ReplicaSpec } from '../../../lib/core/replica-spec.ts';
import { containerBody } from '../../../lib/drivers/docker/container-body.ts';
import {
  describeDifferences,
  Images,
  type PinnedImage,
  pinImage,
  startedWith,
  userFor,
} from '../../../lib/drivers/docker/image.ts';
import {
  type ContainerJson,
  type ContainerSummary,
  retiredName,
  shortDigest,
} from '../../../lib/drivers/docker/mapper.ts';
import { specWith } from '../../helpers/replica-spec.ts';

const ID = `sha256:${'12ab34cd56ef'.padEnd(64, '0')}`;
const OTHER = `sha256:${'99'.repeat(32)}`;
const DIGEST = `sha256:${'cd'.repeat(32)}`;

const NOW = image(ID);
const EARLIER = image(OTHER);

function image(imageId: string): PinnedImage {
  return { imageId, title: `app@${imageId}`, user: 'node' };
}

const settings = (of = NOW, port = 80, network = 'net') => ({ ...of, pool: 'p', port, network });

/** A container as one that was started so is listed. */
function container(
  name: string,
  of: ReturnType<typeof settings>,
  role?: 'replaced' | 'removed',
  spec = specWith(),
): ContainerSummary {
  const Id = name.padEnd(64, '0');
  return {
    Id,
    Names: [`/${role === undefined ? name : retiredName(name, role, Id)}`],
    Image: 'app',
    ImageID: of.imageId,
    State: 'running',
    Labels: containerBody({ name, id: 1 }, spec, of).Labels,
    NetworkSettings: { Networks: { [of.network]: { IPAddress: '172.18.0.2' } } },
  };
}

describe('the image of a pool', () => {
  for (const [reference, digests, title] of [
    ['app', [], `app@${ID}`],
    ['app:1', null, `app:1@${ID}`],
    ['app:1', [`other@${OTHER}`, `app@${DIGEST}`], `app:1@${DIGEST}`],
    ['reg:5000/a/app', [`reg:5000/a/app@${DIGEST}`], `reg:5000/a/app@${DIGEST}`],
    ['docker.io/library/node:26', [`node@${DIGEST}`], `docker.io/library/node:26@${DIGEST}`],
    [`app@${DIGEST}`, [`app@${DIGEST}`], `app@${DIGEST}`],
    [ID, [], ID],
    ['12ab34cd', [], ID],
  ] as const) {
    it(`is called ${shortDigest(title)} where the options say ${reference.slice(0, 30)}`, () => {
      assert.equal(pinImage(reference, { Id: ID, RepoDigests: digests }).title, title);
    });
  }

  it('is shown with twelve digits', () => {
    assert.equal(shortDigest(`app:1@${ID}`), 'app:1@sha256:12ab34cd56ef');
  });
});

describe('what an earlier balancer started', () => {
  const OPTIONS = specWith();

  /** The warning, where containers were started with these specs, by name. */
  function describeLeft(
    containers: readonly ContainerSummary[],
    specs: Readonly<Record<string, ReplicaSpec>> = {},
  ): Promise<string | undefined> {
    const specOf = async (id: string) => specs[id.replace(/0+$/, '')];
    return describeDifferences(containers, settings(), { spec: OPTIONS, specOf });
  }

  it('needs no warning where it matches the options', async () => {
    assert.equal(await describeLeft([container('S1', settings()), container('S2', settings())]), undefined);
  });

  it('keeps its image, with a warning', async () => {
    const said = await describeLeft([container('S1', settings(EARLIER)), container('S2', settings(EARLIER))]);
    assert.equal(
      said,
      'adopted replicas differ from the options: image app@sha256:999999999999 instead of app@sha256:12ab34cd56ef (S1, S2). Each keeps what it was started with, also when it is started again; "ringlb deploy --restart" brings the options, and "ringlb deploy IMAGE" another image than the one that was deployed',
    );
  });

  it('is reported where port, network or user differ', async () => {
    const said = await describeLeft([
      container('S1', settings(NOW, 8080)),
      container('S2', settings(NOW, 80, 'old')),
      container('S3', settings({ ...NOW, user: '1000' }, 8080)),
    ]);
    assert.match(
      said ?? '',
      /: port 8080 instead of 80 \(S1, S3\); network old instead of net \(S2\); user 1000 instead of node \(S3\)\./,
    );
  });

  it('is reported where environment and limits differ, by name alone', async () => {
    const other = specWith({ env: [['MODE', 'secret']], memoryBytes: 1 });
    const left = [container('S1', settings(), undefined, other), container('S2', settings())];
    const said = (await describeLeft(left, { S1: other })) ?? '';
    assert.match(said, /: environment \(S1\); memory \(S1\)\./);
    assert.doesNotMatch(said, /secret/);
  });

  it('is not judged by what was being replaced or removed', async () => {
    const said = await describeLeft([
      container('S1', settings()),
      container('S1', settings(EARLIER), 'replaced'),
      container('S2', settings(EARLIER), 'removed'),
    ]);
    assert.equal(said, undefined);
  });
});

describe('what is written on a container', () => {
  const SPEC = specWith({
    image: 'app',
    args: ['--verbose'],
    env: [
      ['MODE', 'blue=green'],
      ['SELF', '{name}:{port}'],
    ],
    memoryBytes: 64,
    volumes: [{ source: '/data/{name}', target: '/data', isReadOnly: false }],
  });
  const OVERRIDES = { image: ID, env: [['MODE', 'blue=green']] } as const;

  /** As it is inspected; the image has variables of its own. */
  function inspected(spec: ReplicaSpec): ContainerJson {
    const place = { name: 'S1', id: 1, generation: 2, overrides: OVERRIDES };
    const { Env, Labels } = containerBody(place, spec, settings());
    const State = { Running: true, StartedAt: '', ExitCode: 0, OOMKilled: false, Error: '' };
    const Config = { Image: ID, Labels, Env: ['PATH=/bin', 'MODE=none', ...Env] };
    return { Id: 'a', Name: '/S1', Image: ID, State, Config, NetworkSettings: { Networks: {} } };
  }

  it('gives back its spec, with templates and the id of its image', () => {
    const { spec, overrides } = startedWith(inspected(SPEC), specWith({ cpus: 9 }));
    assert.deepEqual(spec, { ...SPEC, image: ID, port: 80 });
    assert.deepEqual(overrides, OVERRIDES);
  });

  it('has no value of a variable in its labels', () => {
    const labels = JSON.stringify(inspected(SPEC).Config.Labels);
    assert.match(labels, /MODE/);
    assert.doesNotMatch(labels, /blue/);
  });

  it('is the options where labels do not say', () => {
    const { Config, ...rest } = inspected(SPEC);
    const options = specWith({ cpus: 9 });
    for (const Labels of [null, { 'ringlb.started-with': '{' }, { 'ringlb.started-with': '{"spec":1}' }]) {
      const { spec, overrides } = startedWith({ ...rest, Config: { ...Config, Labels } }, options);
      assert.deepEqual([spec, overrides], [{ ...options, image: ID }, {}]);
    }
  });
});

describe('the images of a balancer', () => {
  /** An engine whose tag `app` points to an image that a test may change. */
  function engine() {
    const tags = new Map([
      ['app', ID],
      [ID, ID],
      [OTHER, OTHER],
    ]);
    const image = async (reference: string) => {
      const Id = tags.get(reference);
      return Id === undefined ? undefined : { Id };
    };
    return { tags, images: new Images({ image }) };
  }

  it('stay what they were when a tag moves', async () => {
    const { tags, images } = engine();
    await images.of('app');
    tags.set('app', OTHER);
    assert.equal((await images.of('app')).imageId, ID);
  });

  it('are looked up again for a deploy, which changes no other start', async () => {
    const { tags, images } = engine();
    await images.of('app');
    tags.set('app', OTHER);
    assert.equal((await images.pin('app')).imageId, OTHER);
    assert.equal((await images.of('app')).imageId, ID);
    assert.equal((await images.of(OTHER)).title, `app@${OTHER}`);
  });

  it('are called as the containers that were adopted say', async () => {
    const { images } = engine();
    images.name(OTHER, `app:1@${OTHER}`);
    assert.equal((await images.of(OTHER)).title, `app:1@${OTHER}`);
  });

  it('are missing with words on what to do', async () => {
    const { images, tags } = engine();
    await assert.rejects(images.of('gone'), { code: 'image-missing', message: /docker pull gone/ });
    images.name(OTHER, `app:1@${OTHER}`);
    tags.delete(OTHER);
    await assert.rejects(images.of(OTHER), {
      code: 'image-missing',
      message: /no longer has the image app:1@/,
    });
  });
});

describe('the user of a replica', () => {
  for (const user of [undefined, '', 'root', '0', '0:0', 'root:root', '0:1000', '000']) {
    it(`is without rights when the image says ${JSON.stringify(user)}`, () => {
      assert.equal(userFor({ Id: ID, Config: user === undefined ? {} : { User: user } }), '65534:65534');
    });
  }
  for (const user of ['node', '1000:1000', 'rooted', '10', '01']) {
    it(`is the image's own when that is ${user}`, () => {
      assert.equal(userFor({ Id: ID, Config: { User: user } }), user);
    });
  }
});
