/** A checker whose probes a test answers by hand, and counts. Must not hold: assertions. */
import { type Endpoint, formatEndpoint } from '../../../lib/core/replica.ts';
import type { HealthParts } from '../../../lib/fleet/health/fleet-health.ts';
import type { ProbeResult } from '../../../lib/fleet/health/probe-connection.ts';
import type { Replica } from '../../../lib/fleet/replica.ts';
import { FleetRig, PASSED, REFUSED, settle } from '../../helpers/fleet/rig.ts';

interface Asked {
  readonly endpoint: string;
  readonly answer: (result: ProbeResult) => void;
}

export class HandProbes {
  /** Probes that wait for their answer, in the order in which they were asked. */
  readonly waiting: Asked[] = [];
  /** How many were ever asked. */
  asked = 0;
  /** Most that waited at a time. */
  most = 0;

  /** Whether the last might use a connection of an earlier one. */
  mayReuse = false;

  readonly probe = (endpoint: Endpoint, mayReuse: boolean): Promise<ProbeResult> => {
    this.mayReuse = mayReuse;
    this.asked++;
    return new Promise((answer) => {
      this.waiting.push({ endpoint: formatEndpoint(endpoint), answer });
      this.most = Math.max(this.most, this.waiting.length);
    });
  };

  /** Answers the oldest. */
  pass(): Promise<void> {
    return this.find(PASSED);
  }

  fail(): Promise<void> {
    return this.find(REFUSED);
  }

  async find(result: ProbeResult): Promise<void> {
    this.waiting.shift()!.answer(result);
    await settle();
  }
}

export class CheckerRig {
  readonly fleet: FleetRig;
  readonly probes = new HandProbes();
  /** Who was given up, and why. */
  readonly downs: string[] = [];

  constructor(more: Partial<HealthParts> = {}) {
    const replace = (replica: Replica, cause: string, how: string) =>
      this.downs.push(`${how} ${replica.name}: ${cause}`);
    this.fleet = new FleetRig({ health: { probe: this.probes.probe, replace, ...more } });
  }

  /** A replica on the ring with an instance in its place, watched. */
  watched(name: string): Replica {
    const { registry, driver, checker } = this.fleet;
    const replica = registry.reserve(name);
    registry.addToRing([replica], 'added');
    void registry.placeInstance(replica, driver.leave(name, replica.id));
    checker.watch(replica);
    return replica;
  }

  /** One that has passed its first probes. */
  async healthy(name: string): Promise<Replica> {
    const replica = this.watched(name);
    await this.probes.pass();
    await this.untilNextProbe();
    await this.probes.pass();
    if (replica.state !== 'healthy') throw new Error(`${name} is ${replica.state}`);
    return replica;
  }

  /** Milliseconds until the next probe is asked; infinity where none is within ten seconds. */
  async untilNextProbe(): Promise<number> {
    const { asked } = this.probes;
    for (let waitedMs = 0; waitedMs <= 10_000; waitedMs++) {
      if (this.probes.asked > asked) return waitedMs;
      await this.fleet.advance(1, 1);
    }
    return Number.POSITIVE_INFINITY;
  }
}
