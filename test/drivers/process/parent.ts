/**
 * A program that starts instances of the command in its first argument, as many as the second says, prints their
 * process ids on one line, and stays: tests kill it to see what outlives it.
 */
import { createProcessDriver } from '../../../lib/drivers/process/process.ts';
import { noOutput } from '../../helpers/no-output.ts';
import { leaderOf } from '../../helpers/processes.ts';
import { specWith } from '../../helpers/replica-spec.ts';

const [command = '', count = '1'] = process.argv.slice(2);
const spec = specWith({ command });
const driver = createProcessDriver({ spec, openOutput: noOutput });
const places = Array.from({ length: Number(count) }, (_, index) => ({
  name: `S${index + 1}`,
  id: index + 1,
}));
const instances = await Promise.all(places.map((place) => driver.start(place, spec)));
process.stdout.write(`${instances.map(leaderOf).join(' ')}\n`);
