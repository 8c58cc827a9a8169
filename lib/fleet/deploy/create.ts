/** Builds what deploys consist of. */
import type { Probe } from '../health/probe.ts';
import { Deploys, type DeploysParts } from './deploys.ts';
import { Exchange, type ExchangeParts } from './exchange.ts';
import { Gate, type GateParts } from './gate.ts';
import { type NextInstanceParts, NextInstances } from './next-instances.ts';

export interface CreateParts
  extends Omit<DeploysParts, 'exchange' | 'gate' | 'gracefulStop'>,
    Omit<ExchangeParts, 'next'>,
    Omit<NextInstanceParts, 'instances'>,
    GateParts {
  readonly probe: Probe;
}

/** `parts` may change with the options, so everything keeps that very object. */
export function createDeploys(parts: CreateParts): Deploys {
  const { instances } = parts.launcher;
  const next = new NextInstances(Object.assign(parts, { instances }));
  const exchange = new Exchange(Object.assign(parts, { next }));
  return new Deploys(Object.assign(parts, { exchange, gate: new Gate(parts) }));
}
