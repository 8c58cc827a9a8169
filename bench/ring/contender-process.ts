/**
 * One contender in a process of its own, so that what the compiler learns of one does not slow the next: gets the
 * contender's name and the fleet sizes as arguments, and sends one message with the Figures of each size.
 */
import { CONTENDERS } from './contenders.ts';
import { measure, workDone } from './measure.ts';

const [name, ...sizes] = process.argv.slice(2);
const contender = CONTENDERS.find((known) => known.name === name);
if (contender === undefined) throw new Error(`no contender is called ${name}`);
const figures = measure(contender, sizes.map(Number));
if (!Number.isFinite(workDone())) throw new Error('a lookup found no owner');
process.send?.(figures);
