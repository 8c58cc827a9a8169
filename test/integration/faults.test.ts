/** The fault campaign in short, on child processes: each case keeps to its figures (`npm run faults` runs all of it). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CASES } from '../../bench/faults/cases.ts';
import { runCase } from '../../bench/faults/run-case.ts';

const SHORT = 0.2;
const CHOSEN = ['F1', 'F2', 'F3', 'F4', 'F9', 'F10', 'F11', 'F16', 'F17', 'F19', 'F23', 'F28', 'F35'];

for (const fault of CASES.filter(({ id }) => CHOSEN.includes(id))) {
  test(`${fault.id}: ${fault.title}`, async () => {
    const { problems } = await runCase(fault, SHORT);
    assert.deepEqual(problems, []);
  });
}
