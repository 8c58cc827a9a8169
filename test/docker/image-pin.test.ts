/** Which image the replicas of a balancer run, when its tag moves on or the image goes; on a real engine. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { buildImage, docker, freshPool, skipDocker } from '../helpers/docker/docker.ts';
import { add, healthy, instances, kill, replaced, Stage } from '../helpers/docker/stage.ts';

const SERVER = `
  process.on('SIGTERM', () => process.exit(0));
  require('http').createServer((_, response) => response.end()).listen(process.env.PORT)`;

describe('the image of a fleet', { skip: skipDocker ?? false, timeout: 300_000 }, () => {
  const tag = freshPool();
  /** Made in `before`: ids of two images that the tag points to in turn. */
  let [first, second] = ['', ''];

  before(async () => {
    first = await build('first');
    second = await build('second');
  });
  beforeEach(() => docker('tag', first, tag));
  after(() => docker('rmi', '--force', tag, first, second).catch(() => {}));

  async function build(version: string): Promise<string> {
    await buildImage(tag, [
      `LABEL ringlb.test=${tag}-${version}`,
      `CMD ${JSON.stringify(['node', '-e', SERVER])}`,
    ]);
    return docker('image', 'inspect', '--format', '{{.Id}}', tag);
  }

  const shown = (id: string) => `${tag}@${id.slice(0, 19)}`;
  const imageOf = (container: string) => docker('inspect', '--format', '{{.Image}}', container);

  it('is named in replicas, events and log', async (t) => {
    const balancer = await new Stage(t).serve({ image: tag });
    for (const { image } of await balancer.replicas()) assert.equal(image, shown(first));
    const { body } = await balancer.askAdmin('GET', '/events');
    const { events } = (JSON.parse(body) as { message: { events: { kind: string; image: string | null }[] } })
      .message;
    const images = (isStart: boolean) =>
      new Set(events.filter(({ kind }) => (kind === 'started') === isStart).map(({ image }) => image));
    assert.deepEqual(images(true), new Set([shown(first)]));
    assert.deepEqual(images(false), new Set([null]));
    const started = balancer.lines.filter(({ msg }) => /^S\d+ started$/.test(msg));
    assert.deepEqual(
      new Set(started.map((line) => (line as { image?: string }).image)),
      new Set([shown(first)]),
    );
  });

  it('stays the same after its tag has moved', async (t) => {
    const balancer = await new Stage(t).serve({ image: tag });
    const [victim] = await balancer.replicas();
    await docker('tag', second, tag);
    await docker('kill', victim!.instance!);
    const substitute = await replaced(balancer, victim!);
    assert.equal(substitute.image, shown(first));
    assert.equal(await imageOf(substitute.instance!), first);
    assert.equal((await add(balancer)).status, 200);
    for (const { instance } of await healthy(balancer, 4)) assert.equal(await imageOf(instance!), first);
  });

  it('survives a restart, with a warning about differences', async (t) => {
    const stage = new Stage(t);
    const one = await stage.serve({ image: tag });
    const ran = await instances(one);
    await kill(one);
    await docker('tag', second, tag);
    const other = await stage.start({ image: tag, args: '--replica-port 5001' });
    const [victim] = await healthy(other, 3);
    assert.deepEqual(await instances(other), ran);
    const names = Object.keys(ran).sort().join(', ');
    const warnings = other.lines.filter(({ level }) => level === 'warn').map(({ msg }) => msg);
    const differ = `image ${shown(first)} instead of ${shown(second)} (${names}); port 5000 instead of 5001 (${names})`;
    assert.ok(
      warnings.some((warning) => warning.includes(differ)),
      warnings.join('\n'),
    );
    await docker('kill', victim!.instance!);
    const substitute = await replaced(other, victim!);
    assert.equal(await imageOf(substitute.instance!), first);
    assert.match(substitute.endpoint ?? '', /:5000$/);
  });

  it('is the new one after a clean restart', async (t) => {
    const stage = new Stage(t);
    await (await stage.serve({ image: tag })).stop();
    await docker('tag', second, tag);
    const balancer = await stage.serve({ image: tag });
    for (const { image } of await balancer.replicas()) assert.equal(image, shown(second));
  });
});
