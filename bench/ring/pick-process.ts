/** One row of pick times in a process of its own. Gets the number of replicas, and sends the times in ns. */
import { OVERFLOWS, pickNs } from './picks.ts';

const replicas = Number(process.argv[2]);
process.send?.(OVERFLOWS.map((overflow) => pickNs(replicas, overflow)));
