/** Probes that a test answers by hand, and counts. Must not hold: assertions. */
import { type Endpoint, formatEndpoint } from '../../lib/core/replica.ts';
import type { ProbeResult } from '../../lib/fleet/checker.ts';
import { settle } from './fleet-rig.ts';

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

  readonly probe = (endpoint: Endpoint): Promise<ProbeResult> => {
    this.asked++;
    return new Promise((answer) => {
      this.waiting.push({ endpoint: formatEndpoint(endpoint), answer });
      this.most = Math.max(this.most, this.waiting.length);
    });
  };

  /** Answers the oldest. */
  async pass(): Promise<void> {
    this.waiting.shift()!.answer({ passed: true, said: '200' });
    await settle();
  }

  async fail(): Promise<void> {
    this.waiting.shift()!.answer({ passed: false, said: 'connection refused' });
    await settle();
  }
}
