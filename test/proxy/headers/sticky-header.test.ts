import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stickyLines } from '../../../lib/proxy/headers/sticky-header.ts';

const isSecureNamed = (sticky: string): boolean =>
  stickyLines({ forward: '' }, { sticky, stickyTtlMs: 0 }, 'token', false).includes('; Secure');

test('a cookie whose name browsers take only where it is Secure is so', () => {
  assert.deepEqual(['__Host-lb', '__Secure-lb', '__host-lb'].map(isSecureNamed), [true, true, true]);
});

test('another cookie is not Secure without TLS', () => {
  assert.deepEqual(['lb', '__Hostlb', 'x__Host-lb'].map(isSecureNamed), [false, false, false]);
});
