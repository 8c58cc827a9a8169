/**
 * One contender with one size of fleet, in a process of its own: the product has one placement in a thread too, and
 * what the compiler learns of one shall not slow the next. Gets name, size and `times` or `quality` as arguments, and
 * sends what was asked for.
 */
import { CONTENDERS } from './contenders.ts';
import { qualityOf, timesOf, workDone } from './measure.ts';

const [name, replicas, what] = process.argv.slice(2);
const contender = CONTENDERS.find((known) => known.name === name);
if (contender === undefined) throw new Error(`no contender is called ${name}`);
const figures =
  what === 'times' ? timesOf(contender, Number(replicas)) : qualityOf(contender, Number(replicas));
if (!Number.isFinite(workDone())) throw new Error('a lookup found no owner');
process.send?.(figures);
