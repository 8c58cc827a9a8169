import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isPrivateAddress, networkOf, plainAddress } from '../lib/addresses.ts';

describe('isPrivateAddress', () => {
  for (const address of [
    ...['127.0.0.1', '127.255.255.254', '10.0.0.1', '10.255.255.255', '172.16.0.1', '172.31.255.255'],
    ...['192.168.0.1', '169.254.1.1', '::1', 'fc00::1', 'fdff::1', 'fe80::1', 'fe80::1%eth0', 'febf::1'],
    ...['::ffff:127.0.0.1', '::ffff:10.1.2.3', '::FFFF:192.168.1.1'],
  ]) {
    it(`is true for ${address}`, () => assert.equal(isPrivateAddress(address), true));
  }

  for (const address of [
    ...['8.8.8.8', '11.0.0.1', '172.15.255.255', '172.32.0.1', '192.169.0.1', '100.64.0.1', '0.0.0.0'],
    ...['::', '2001:db8::1', 'fec0::1', '::ffff:8.8.8.8', '::2', '64:ff9b::10.0.0.1'],
    ...['', 'localhost', '127.0.0.1.example.org', '127.1', 'unix', '10.0.0.1, 8.8.8.8'],
  ]) {
    it(`is false for "${address}"`, () => assert.equal(isPrivateAddress(address), false));
  }
});

describe('plainAddress', () => {
  it('leaves out a zone, and the form that a dual-stack socket gives IPv4', () => {
    assert.equal(plainAddress('fe80::1%eth0'), 'fe80::1');
    assert.equal(plainAddress('::ffff:10.0.0.1'), '10.0.0.1');
    assert.equal(plainAddress('10.0.0.1'), '10.0.0.1');
  });
});

describe('networkOf', () => {
  for (const [address, network] of [
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::9', '2001:db8:0:0::/64'],
    ['2001:0db8::0009', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['1::', '1:0:0:0::/64'],
  ] as const) {
    it(`is ${network} for ${address}`, () => assert.equal(networkOf(address), network));
  }
});
