/** Every case of the fault campaign, in the order of their numbers. */
import { CERTIFICATES } from './certificates.ts';
import { DEATHS } from './deaths.ts';
import type { FaultCase } from './fault-case.ts';
import { MACHINE } from './machine.ts';
import { REPLIES } from './replies.ts';
import { RESTARTS } from './restarts.ts';
import { BALANCERS } from './swarm/balancers.ts';
import { DISCOVERY } from './swarm/discovery.ts';
import { ENGINES } from './swarm/engines.ts';

const numberOf = ({ id }: FaultCase): number => Number(id.slice(1));

export const CASES: readonly FaultCase[] = [
  ...DEATHS,
  ...REPLIES,
  ...MACHINE,
  ...RESTARTS,
  ...CERTIFICATES,
].sort((a, b) => numberOf(a) - numberOf(b));

/** The cases of many machines. */
export const SWARM_CASES: readonly FaultCase[] = [...ENGINES, ...BALANCERS, ...DISCOVERY];
