import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isIdempotent, isSafeToRetry, RESERVE, RetryBudget } from '../../../lib/core/policy/retry.ts';

for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']) {
  test(`${method} may be repeated`, () => {
    assert.equal(isIdempotent(method), true);
  });
}

for (const method of ['POST', 'PATCH', 'CONNECT', 'PROPFIND', 'get', '']) {
  test(`${method || 'no method'} may not be repeated`, () => {
    assert.equal(isIdempotent(method), false);
  });
}

/** Method, error may be retried, bytes were sent, body is kept, safe. */
const ATTEMPTS: readonly (readonly [string, boolean, boolean, boolean, boolean])[] = [
  ['GET', true, false, true, true],
  ['GET', true, true, true, true],
  ['GET', false, false, true, false],
  ['GET', false, true, true, false],
  ['PUT', true, true, true, true],
  ['PUT', true, true, false, false],
  ['PUT', true, false, false, false],
  ['POST', true, false, true, true],
  ['POST', true, false, false, false],
  ['POST', true, true, true, false],
  ['POST', false, false, true, false],
  ['PATCH', true, true, true, false],
];

for (const [method, retriable, bytesSent, bodyKept, isSafe] of ATTEMPTS) {
  const failure = `${retriable ? 'a retriable' : 'another'} failure`;
  const sent = `${bytesSent ? 'some' : 'no'} bytes sent`;
  const body = `its body ${bodyKept ? '' : 'not '}kept`;
  test(`${method} after ${failure}, ${sent}, ${body}: ${isSafe ? 'retry' : 'no retry'}`, () => {
    assert.equal(isSafeToRetry({ method, retriable, bytesSent, bodyKept }), isSafe);
  });
}

/** How many retries begin, of `tries`, while none ends. */
function spendAll(budget: RetryBudget, tries: number): number {
  let begun = 0;
  for (let count = 0; count < tries; count++) if (budget.spend()) begun++;
  return begun;
}

function budgetAfter(requests: number, share: number): RetryBudget {
  const budget = new RetryBudget(share);
  for (let count = 0; count < requests; count++) budget.save();
  return budget;
}

test('three retries at a time are always allowed', () => {
  const budget = budgetAfter(0, 0);
  assert.equal(spendAll(budget, 10), 3);
  budget.ended();
  assert.equal(spendAll(budget, 10), 1);
});

/** Requests, share, retries that can be under way at once beside the reserve. */
const BUDGETS: readonly (readonly [number, number, number])[] = [
  [8, 0.25, 2],
  [12, 0.25, 3],
  [40, 0.25, 10],
  [100, 0.125, 12],
  [100, 0.5, 50],
  [40, 1, 40],
  [1000, 0, 3],
];

for (const [requests, share, retries] of BUDGETS) {
  test(`${requests} requests at ${share * 100} % pay for ${retries} retries at once`, () => {
    const reserve = share === 0 ? 0 : RESERVE;
    assert.equal(spendAll(budgetAfter(requests, share), 2 * requests + RESERVE), retries + reserve);
  });
}

test('a retry that ends refunds nothing', () => {
  const budget = budgetAfter(40, 0.25);
  for (let retry = 0; retry < 10 + RESERVE; retry++) {
    assert.ok(budget.spend());
    budget.ended();
  }
  assert.equal(spendAll(budget, 10), 3);
});

test('no more than a thousand retries can be saved up', () => {
  assert.equal(spendAll(budgetAfter(10_000, 1), 2000), 1000);
});

test('savings halve in seven seconds', () => {
  const budget = budgetAfter(1000, 0.2);
  for (let decay = 0; decay < 70; decay++) budget.decay();
  const begun = spendAll(budget, 400);
  assert.ok(begun > 90 + RESERVE && begun < 110 + RESERVE, `${begun}`);
});

test('a spent reserve refills to its size', () => {
  const budget = budgetAfter(0, 0.2);
  assert.equal(spendAll(budget, 100), RESERVE);
  for (let decay = 0; decay < 70; decay++) budget.decay();
  const half = spendAll(budget, 100);
  assert.ok(half > RESERVE / 2 - 3 && half < RESERVE / 2 + 3, `${half}`);
  for (let decay = 0; decay < 2000; decay++) budget.decay();
  assert.ok(spendAll(budget, 100) <= RESERVE);
});

test('retries never exceed savings by more than three', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('save', 'spend', 'end'), { maxLength: 200 }), (steps) => {
      const budget = new RetryBudget(0.25);
      let [saved, begun, underWay] = [0, 0, 0];
      for (const step of steps) {
        if (step === 'save') {
          budget.save();
          saved += 0.25;
        } else if (step === 'end') {
          if (underWay === 0) continue;
          budget.ended();
          underWay--;
        } else {
          const isFree = underWay < 3;
          const hasBegun = budget.spend();
          assert.ok(hasBegun || !isFree, 'three may always be under way');
          if (!hasBegun) continue;
          underWay++;
          if (!isFree) begun++;
        }
      }
      assert.ok(begun <= saved + RESERVE, `${begun} retries of ${saved}`);
    }),
  );
});
