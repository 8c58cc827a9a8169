/**
 * One contender with one size of fleet, in a process of its own: the product has one placement in a thread too, and
 * what the compiler learns of one shall not slow the next. Gets both as arguments, and sends its Figures.
 */
import { CONTENDERS } from './contenders.ts';
import { measure, workDone } from './measure.ts';

const [name, replicas] = process.argv.slice(2);
const contender = CONTENDERS.find((known) => known.name === name);
if (contender === undefined) throw new Error(`no contender is called ${name}`);
const figures = measure(contender, Number(replicas));
if (!Number.isFinite(workDone())) throw new Error('a lookup found no owner');
process.send?.(figures);
