/** What an experiment is given, and what it may say of itself. */
import type { Balancer } from './balancer.ts';
import type { StudyOptions } from './options.ts';

export interface Lab {
  readonly options: StudyOptions;
  /** The balancer under study; started when the first experiment asks for it. */
  balancer(): Promise<Balancer>;
  /** The same with the load bound off; undefined where the balancer under study is not the study's own. */
  unbounded(): Promise<Balancer | undefined>;
  /** Says how much of the experiment is done, 0 to 1, and what is going on. */
  progress(share: number, doing: string): void;
}

/** What of a whole belongs to one of its parts, for progress inside progress. */
export function part(lab: Lab, from: number, to: number, doing: string): (share: number) => void {
  return (share) => lab.progress(from + (to - from) * share, doing);
}
