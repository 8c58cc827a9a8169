/** The fault campaign in short, on containers: each case keeps to its figures (`npm run faults` runs all of it). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CASES } from '../../bench/faults/cases.ts';
import { runCase } from '../../bench/faults/run-case.ts';
import { skipDocker } from '../helpers/docker/docker.ts';

const SHORT = 0.2;

for (const fault of CASES.filter(({ needsDocker }) => needsDocker === true)) {
  test(`${fault.id}: ${fault.title}`, { skip: skipDocker ?? false }, async () => {
    const { problems } = await runCase(fault, SHORT);
    assert.deepEqual(problems, []);
  });
}
