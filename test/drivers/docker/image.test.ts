import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type PinnedImage, PoolImages, pinImage } from '../../../lib/drivers/docker/image.ts';
import {
  type ContainerSummary,
  containerBody,
  retiredName,
  shortDigest,
} from '../../../lib/drivers/docker/mapper.ts';

const ID = `sha256:${'12ab34cd56ef'.padEnd(64, '0')}`;
const OTHER = `sha256:${'99'.repeat(32)}`;
const DIGEST = `sha256:${'cd'.repeat(32)}`;

const NOW = image(ID);
const EARLIER = image(OTHER);

function image(imageId: string): PinnedImage {
  return { imageId, title: `app@${imageId}`, user: 'node' };
}

const spec = (of = NOW, port = 80, network = 'net') => ({ ...of, pool: 'p', port, network });

/** A container as one that was started so is listed. */
function container(
  name: string,
  of: ReturnType<typeof spec>,
  role?: 'replaced' | 'removed',
): ContainerSummary {
  const Id = name.padEnd(64, '0');
  return {
    Id,
    Names: [`/${role === undefined ? name : retiredName(name, role, Id)}`],
    Image: 'app',
    ImageID: of.imageId,
    State: 'running',
    Labels: containerBody({ name, id: 1 }, of).Labels,
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
    return { images, said: images.adopt(containers, spec()) };
  }

  it('needs no warning where it matches the options', () => {
    const { images, said } = adopt(container('S1', spec()), container('S2', spec()));
    assert.equal(said, undefined);
    assert.equal(images.of('S9').imageId, ID);
  });

  it('keeps its image, which new replicas get as well', () => {
    const { images, said } = adopt(container('S1', spec(EARLIER)), container('S2', spec(EARLIER)));
    assert.equal(images.of('S1').imageId, OTHER);
    assert.equal(images.of('S9').imageId, OTHER);
    assert.equal(
      said,
      'adopted replicas differ from the options: image app@sha256:999999999999 instead of app@sha256:12ab34cd56ef (S1, S2). Each goes on with its own image; a new one gets app@sha256:999999999999, and whatever is started port 80 and network net',
    );
  });

  it('keeps one image per replica, and the commonest for new ones', () => {
    const { images } = adopt(
      container('S1', spec(EARLIER)),
      container('S2', spec()),
      container('S3', spec(EARLIER)),
    );
    assert.deepEqual(
      ['S1', 'S2', 'S9'].map((name) => images.of(name).imageId),
      [OTHER, ID, OTHER],
    );
    images.forget('S2');
    assert.equal(images.of('S2').imageId, OTHER);
  });

  it('prefers the image of the options in a tie', () => {
    const { images } = adopt(container('S1', spec(EARLIER)), container('S2', spec()));
    assert.equal(images.of('S9').imageId, ID);
  });

  it('is reported where port, network or user differ', () => {
    const { said } = adopt(
      container('S1', spec(NOW, 8080)),
      container('S2', spec(NOW, 80, 'old')),
      container('S3', spec({ ...NOW, user: '1000' }, 8080)),
    );
    assert.match(
      said ?? '',
      /: port 8080 instead of 80 \(S1, S3\); network old instead of net \(S2\); user 1000 instead of node \(S3\)\./,
    );
  });

  it('counts replacements, and ignores what was removed', () => {
    const { images, said } = adopt(
      container('S1', spec()),
      container('S1', spec(EARLIER), 'replaced'),
      container('S2', spec(EARLIER), 'removed'),
    );
    assert.equal(images.of('S1').imageId, ID);
    assert.equal(images.of('S2').imageId, ID);
    assert.equal(said, undefined);
  });

  it('takes name and digest from the engine where labels are missing', () => {
    const old = container('S1', spec(EARLIER));
    const { 'ringlb.name': name, 'ringlb.id': id } = old.Labels;
    const Labels = { 'ringlb.name': name!, 'ringlb.id': id! };
    assert.equal(adopt({ ...old, Labels }).images.of('S1').title, `app@${OTHER}`);
    assert.equal(adopt({ ...old, Labels, Image: OTHER }).images.of('S1').title, OTHER);
  });
});
