import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { containerBody } from '../../../lib/drivers/docker/container-body.ts';
import { type PinnedImage, PoolImages, pinImage, userFor } from '../../../lib/drivers/docker/image.ts';
import { type ContainerSummary, retiredName, shortDigest } from '../../../lib/drivers/docker/mapper.ts';
import { specHash } from '../../../lib/drivers/spec-hash.ts';
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
  function adopt(...containers: readonly ContainerSummary[]) {
    const images = new PoolImages(NOW);
    return { images, said: images.adopt(containers, settings(), specHash(specWith())) };
  }

  it('needs no warning where it matches the options', () => {
    const { images, said } = adopt(container('S1', settings()), container('S2', settings()));
    assert.equal(said, undefined);
    assert.equal(images.of('S9').imageId, ID);
  });

  it('keeps its image, which new replicas get as well', () => {
    const { images, said } = adopt(container('S1', settings(EARLIER)), container('S2', settings(EARLIER)));
    assert.equal(images.of('S1').imageId, OTHER);
    assert.equal(images.of('S9').imageId, OTHER);
    assert.equal(
      said,
      'adopted replicas differ from the options: image app@sha256:999999999999 instead of app@sha256:12ab34cd56ef (S1, S2). Each goes on with its own image; a new one gets app@sha256:999999999999, and whatever is started port 80, network net and all else of the options',
    );
  });

  it('keeps one image per replica, and the commonest for new ones', () => {
    const { images } = adopt(
      container('S1', settings(EARLIER)),
      container('S2', settings()),
      container('S3', settings(EARLIER)),
    );
    assert.deepEqual(
      ['S1', 'S2', 'S9'].map((name) => images.of(name).imageId),
      [OTHER, ID, OTHER],
    );
    images.forget('S2');
    assert.equal(images.of('S2').imageId, OTHER);
  });

  it('prefers the image of the options in a tie', () => {
    const { images } = adopt(container('S1', settings(EARLIER)), container('S2', settings()));
    assert.equal(images.of('S9').imageId, ID);
  });

  it('is reported where port, network or user differ', () => {
    const { said } = adopt(
      container('S1', settings(NOW, 8080)),
      container('S2', settings(NOW, 80, 'old')),
      container('S3', settings({ ...NOW, user: '1000' }, 8080)),
    );
    assert.match(
      said ?? '',
      /: port 8080 instead of 80 \(S1, S3\); network old instead of net \(S2\); user 1000 instead of node \(S3\)\./,
    );
  });

  it('is reported where environment, mounts, limits or command differ', () => {
    const other = specWith({ env: [['MODE', 'blue']] });
    const { said } = adopt(container('S1', settings(), undefined, other), container('S2', settings()));
    assert.match(said ?? '', /: other environment, mounts, limits or command \(S1\)\./);
  });

  it('counts replacements, and ignores what was removed', () => {
    const { images, said } = adopt(
      container('S1', settings()),
      container('S1', settings(EARLIER), 'replaced'),
      container('S2', settings(EARLIER), 'removed'),
    );
    assert.equal(images.of('S1').imageId, ID);
    assert.equal(images.of('S2').imageId, ID);
    assert.equal(said, undefined);
  });

  it('takes name and digest from the engine where labels are missing', () => {
    const old = container('S1', settings(EARLIER));
    const { 'ringlb.name': name, 'ringlb.id': id } = old.Labels;
    const Labels = { 'ringlb.name': name!, 'ringlb.id': id! };
    assert.equal(adopt({ ...old, Labels }).images.of('S1').title, `app@${OTHER}`);
    assert.equal(adopt({ ...old, Labels, Image: OTHER }).images.of('S1').title, OTHER);
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
