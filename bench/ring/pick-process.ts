/** Pick times of one size of fleet in a process of its own. Gets the number of replicas, and sends the times. */
import { pickTimesOf } from './picks.ts';

process.send?.(pickTimesOf(Number(process.argv[2])));
