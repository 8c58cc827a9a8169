/** A name server whose response is another one every second, and the fleet that follows it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DiscoverDriver } from '../../../lib/drivers/discover/discover.ts';
import type { Server, Source } from '../../../lib/drivers/discover/source.ts';
import type { Hint, Instance } from '../../../lib/drivers/driver.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';
import { FakeDriver } from '../../helpers/fleet/fake-driver.ts';
import { FleetRig } from '../../helpers/fleet/rig.ts';

const MINUTE_MS = 60_000;

/** The fake driver over what the real one discovers. */
class Discovered extends FakeDriver {
  readonly #driver: DiscoverDriver;

  constructor(driver: DiscoverDriver) {
    super(false);
    this.#driver = driver;
  }

  override watch(onHint: (hint: Hint) => void): void {
    this.#driver.watch(onHint);
  }

  override async list(): Promise<readonly Instance[]> {
    const listed = await this.#driver.list();
    this.instances.clear();
    for (const instance of listed) this.instances.set(instance.instanceId, instance);
    return listed;
  }
}

const serverAt = (port: number): Server => ({
  name: `10.0.0.1:${port}`,
  endpoint: { host: '10.0.0.1', port },
});
const [A, B, C] = [serverAt(1), serverAt(2), serverAt(3)];
const RESPONSES: readonly (readonly Server[])[] = [[A], [B], [A, B], []];

/** `hints`: the source says ten times a second that it has changed, as a file or an engine does. */
async function flappingRig({ responses = RESPONSES, hints = false } = {}) {
  const clock = new FakeClock();
  let looks = 0;
  let onHint = (): void => {};
  const source: Source = {
    text: 'dns:web.test:1',
    look: async () => {
      const servers = looks++ === 0 ? [A, B] : responses[looks % responses.length]!;
      return { servers, validMs: 1000 };
    },
    watch: (listener) => {
      onHint = listener;
    },
    close: () => {},
  };
  const driver = new DiscoverDriver({ clock, discoverIntervalMs: 5000, discoverGraceMs: 30_000 }, [source]);
  await driver.open();
  const rig = await FleetRig.of(0, { driver: new Discovered(driver) });
  const advance = async (ms: number, eachMs: () => void): Promise<void> => {
    for (let leftMs = ms; leftMs > 0; leftMs -= 100) {
      clock.advance(100);
      if (hints) onHint();
      await rig.advance(100, 100);
      eachMs();
    }
  };
  return { rig, advance };
}

describe('a source that flaps', () => {
  it('always leaves a healthy server', async () => {
    const { rig, advance } = await flappingRig();
    await advance(MINUTE_MS, () =>
      assert.ok(
        rig.registry.members.some(({ state }) => state === 'healthy'),
        rig.states.join(),
      ),
    );
  });

  it('publishes a table once a second at most', async () => {
    const exchanged = [
      [A, B],
      [A, C],
    ];
    const { rig, advance } = await flappingRig({ responses: exchanged, hints: true });
    const before = rig.threadTable.version;
    await advance(MINUTE_MS, () => {});
    const published = rig.threadTable.version - before;
    assert.ok(published > 50 && published <= 61, `${published} tables`);
  });

  it('drains a server once at a time, however long its requests take', async () => {
    const { rig, advance } = await flappingRig();
    let most = 0;
    await advance(10 * MINUTE_MS, () => {
      // each time that it is back, a request begins that never ends
      const member = rig.registry.find(B.name);
      if (member !== undefined && rig.registry.states.inFlightOf(member) === 0) rig.load(B.name, 1);
      most = Math.max(most, rig.registry.leaving.filter(({ name }) => name === B.name).length);
    });
    assert.equal(most, 1);
  });
});
