import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../lib/config/config.ts';
import { changedWeights } from '../../lib/config/derived-values.ts';
import { load } from '../helpers/options.ts';

const listOf = (upstreams: string, weights = ''): Config =>
  load(['--driver', 'static', '--upstreams', upstreams, ...(weights === '' ? [] : ['--weights', weights])]);
const FIRST = listOf('http://a:1 weight=3,http://b:2');

test('weights of the same list are not set again', () => {
  assert.deepEqual([...changedWeights(FIRST, FIRST)], []);
});

test('only weights that the list changes are set', () => {
  const next = listOf('http://a:1 weight=4,http://b:2');
  assert.deepEqual([...changedWeights(FIRST, next)], [['a:1', 4]]);
});

test('a weight that the list no longer gives is 1', () => {
  assert.deepEqual([...changedWeights(FIRST, listOf('http://a:1,http://b:2'))], [['a:1', 1]]);
});

test('a server that joins gets the weight of the list', () => {
  const next = listOf('http://a:1 weight=3,http://c:3,http://d:4 weight=2');
  assert.deepEqual(
    [...changedWeights(FIRST, next)],
    [
      ['c:3', 1],
      ['d:4', 2],
    ],
  );
});

test('weights by name override those of the list', () => {
  const first = listOf('http://a:1 weight=3,http://b:2', 'a:1=7');
  assert.deepEqual([...changedWeights(first, listOf('http://a:1 weight=5,http://b:2', 'a:1=7'))], []);
});
