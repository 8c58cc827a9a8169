import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  canonicalAddress,
  isLoopback,
  isPrivateAddress,
  networkOf,
  nodeAddress,
} from '../../lib/platform/ip-addresses.ts';
import { Random } from '../helpers/random.ts';

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

describe('canonicalAddress', () => {
  for (const [address, canonical] of [
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::FFFF:10.0.0.1', '10.0.0.1'],
    ['::ffff:a00:1', '10.0.0.1'],
    ['0:0:0:0:0:ffff:0a00:0001', '10.0.0.1'],
    ['0000:0000:0000:0000:0000:ffff:10.0.0.1', '10.0.0.1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::ffff:10.0.0.1%1', '10.0.0.1'],
    ['2001:DB8::1', '2001:db8::1'],
    ['2001:0db8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['unix', 'unix'],
    ['', ''],
    ['1:2', '1:2'],
  ] as const) {
    it(`is ${canonical} for "${address}"`, () => assert.equal(canonicalAddress(address), canonical));
  }

  it("is the URL standard's form of any address but mapped ones", () => {
    const random = new Random(7);
    for (let run = 0; run < 2000; run++) {
      const groups = Array.from({ length: 8 }, () => (random.chance(60) ? 0 : random.below(0x10000)));
      const text = groups.map((group) => group.toString(16).padStart(random.below(5), '0')).join(':');
      const canonical = canonicalAddress(text.toUpperCase());
      if (!canonical.includes('.')) assert.equal(`[${canonical}]`, new URL(`http://[${text}]/`).hostname);
      assert.equal(canonicalAddress(canonical), canonical);
    }
  });
});

describe('nodeAddress', () => {
  for (const [node, address] of [
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.7:51008', '203.0.113.7'],
    ['203.0.113.7:_port', '203.0.113.7'],
    ['"203.0.113.7:51008"', '203.0.113.7'],
    ['[2001:db8::17]:47011', '2001:db8::17'],
    ['[2001:DB8:0::17]', '2001:db8::17'],
    ['"[2001:db8::17]:47011"', '2001:db8::17'],
    ['2001:db8::17', '2001:db8::17'],
    ['[::ffff:203.0.113.7]:1', '203.0.113.7'],
    ['::ffff:cb00:7107', '203.0.113.7'],
    ['fe80::1%eth0', 'fe80::1'],
    ['[fe80::1%25eth0]:80', 'fe80::1'],
    ['unknown', ''],
    ['_hidden', ''],
    ['_SEVKISEK', ''],
    ['', ''],
    ['"', ''],
    ['""', ''],
    ['203.0.113.7.', ''],
    ['203.0.113.256', ''],
    ['[203.0.113.7]', '203.0.113.7'],
    ['[2001:db8::17', ''],
    ['example.org:80', ''],
  ] as const) {
    it(`is "${address}" for ${node}`, () => assert.equal(nodeAddress(node), address));
  }
});

describe('isLoopback', () => {
  for (const host of [
    'localhost',
    '::1',
    '0:0:0:0:0:0:0:1',
    '127.0.0.1',
    '127.9.9.9',
    '::ffff:127.0.0.1',
    '::FFFF:7f00:1',
  ])
    it(`is true for ${host}`, () => assert.equal(isLoopback(host), true));
  for (const host of ['', '::', '10.0.0.1', '::ffff:10.0.0.1', '127.0.0.1.example.org', '::2'])
    it(`is false for "${host}"`, () => assert.equal(isLoopback(host), false));
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
