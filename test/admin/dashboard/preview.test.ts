import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sentencesOf, wordsOf } from '../../../lib/admin/dashboard/dialogs/preview.js';
import type { Preview } from '../../../lib/api/types.ts';

const preview = (differs: Partial<Preview>): Preview => ({
  dryRun: true,
  N: 3,
  replicas: [],
  added: [],
  removed: [],
  moved: 0.25,
  moves: [],
  inFlight: 1,
  tunnels: 0,
  ...differs,
});

const plain = (text: string) => text.replaceAll('\u202f', ' ');

describe('a preview in words', () => {
  it('says who joins, how many there are then, and what moves', () => {
    assert.equal(
      plain(sentencesOf('add', preview({ added: ['S2', 'S3'] }))),
      'S2 and S3 join: from 1 to 3 replicas. 25.0 % of all keys move to another replica.',
    );
  });

  it('says who leaves, and what is under way there', () => {
    assert.equal(
      plain(sentencesOf('remove', preview({ N: 1, removed: ['S2'] }))),
      'S2 leaves: from 2 to 1 replica. 25.0 % of all keys move to another replica. ' +
        '1 request in flight and 0 open tunnels there may finish first.',
    );
  });

  it('names three of many', () => {
    const added = ['S1', 'S2', 'S3', 'S4', 'S5'];
    assert.match(sentencesOf('add', preview({ N: 9, added })), /^S1, S2, S3 and 2 more join: from 4 to 9 /);
  });

  it('says what the button does, and what it has done', () => {
    assert.deepEqual(wordsOf('add', preview({ added: ['S2'] })), { act: 'Add S2', done: 'Added S2.' });
    assert.deepEqual(wordsOf('remove', preview({ removed: ['S2', 'S3'] })), {
      act: 'Remove 2 replicas',
      done: 'Removed 2 replicas.',
    });
  });
});
