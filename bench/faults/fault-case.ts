/** What a case of the fault campaign is, and what it found: types only. */
import type { Stage } from './stage.ts';
import type { Traffic } from './traffic.ts';

export interface FaultCase {
  /** As `--only` names it. */
  readonly id: string;
  /** What is done. */
  readonly title: string;
  /** Needs a Docker engine. */
  readonly needsDocker?: boolean;
  /** Needs a Swarm of three managers (RINGLB_SWARM); run where `--only` names it. */
  readonly needsSwarm?: boolean;
  /** Requests that may be lost; 0 unless said. `why` stands in the table's legend. */
  readonly mayLose?: { readonly gets: number; readonly why: string };
  /** Makes the fault; throws or names `problems` where the figures are not reached. */
  run(stage: Stage): Promise<Found>;
}

export interface Found {
  /** What was sent meanwhile; undefined where the case sends its own. */
  readonly traffic?: Traffic;
  /** Requests of the case's own, and those of them that were lost. */
  readonly sent?: number;
  readonly lost?: number;
  /** What the table says beside the counts, such as how long it took to be whole again. */
  readonly note: string;
  readonly problems?: readonly string[];
}

/** A row of the table. */
export interface Row {
  readonly id: string;
  readonly title: string;
  readonly gets: number;
  readonly getsLost: number;
  readonly posts: number;
  readonly postsLost: number;
  readonly postsTwice: number;
  readonly seconds: number;
  readonly note: string;
  /** Empty where the case passed. */
  readonly problems: readonly string[];
}
