/** A fleet whose pool other balancers change too: a test does so by the fake driver. */
import { FakeDriver } from './fake-driver.ts';
import { FleetRig, type RigOptions } from './rig.ts';

/** A fleet of two, on an engine that heals. */
export async function sharedRig(options: RigOptions = {}): Promise<FleetRig> {
  const driver = new FakeDriver();
  driver.isShared = true;
  driver.heals = true;
  return FleetRig.of(2, { driver, ...options });
}

/** Has the balancer look at what others have done. */
export async function look(rig: FleetRig): Promise<void> {
  rig.driver.hint({ kind: 'changed', cause: 'services' });
  await rig.advance(100);
}
