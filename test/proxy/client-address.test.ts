/** The original client behind trusted proxies: in the access log, and as a hash key. RFC 7239. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashKeyOf } from '../../lib/core/hashing/hash-key.ts';
import { TrustedProxies } from '../../lib/proxy/headers/trusted-proxies.ts';
import { eventually } from '../helpers/eventually.ts';
import { get } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';

const CASES: readonly (readonly [string, string])[] = [
  ['X-Forwarded-For: 203.0.113.7:51008\r\n', '203.0.113.7'],
  ['X-Forwarded-For: 203.0.113.7\r\n', '203.0.113.7'],
  ['X-Forwarded-For: "203.0.113.7"\r\n', '203.0.113.7'],
  ['X-Forwarded-For: ::ffff:203.0.113.7\r\n', '203.0.113.7'],
  ['X-Forwarded-For: ::FFFF:cb00:7107\r\n', '203.0.113.7'],
  ['X-Forwarded-For: [2001:DB8:0:0::17]:47011\r\n', '2001:db8::17'],
  ['X-Forwarded-For: 2001:0db8::0017\r\n', '2001:db8::17'],
  ['X-Forwarded-For: fe80::17%eth0\r\n', 'fe80::17'],
  ['X-Forwarded-For: 6.6.6.6, 203.0.113.7:1, 10.0.0.1:2,, \r\n', '203.0.113.7'],
  ['X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: ::ffff:a00:1\r\n', '203.0.113.7'],
  ['X-Forwarded-For: 6.6.6.6, unknown, 10.0.0.1\r\n', '10.0.0.1'],
  ['X-Forwarded-For: 6.6.6.6, _hidden\r\n', '127.0.0.1'],
  ['X-Forwarded-For: \r\n', '127.0.0.1'],
  ['Forwarded: for=203.0.113.7\r\n', '203.0.113.7'],
  ['Forwarded: For="[2001:db8::17]:4711"\r\n', '2001:db8::17'],
  ['Forwarded: proto=http;for="203.0.113.7:_p";by=203.0.113.43\r\n', '203.0.113.7'],
  ['Forwarded: for=6.6.6.6, for=203.0.113.7, , for = "10.0.0.1"\r\n', '203.0.113.7'],
  ['Forwarded: for=203.0.113.7\r\nForwarded: for=10.0.0.1;host="a, for=6.6.6.6"\r\n', '203.0.113.7'],
  ['Forwarded: for=6.6.6.6, for=unknown\r\n', '127.0.0.1'],
  ['Forwarded: for=6.6.6.6, for="_gazonk"\r\n', '127.0.0.1'],
  ['Forwarded: for=6.6.6.6, proto=https\r\n', '127.0.0.1'],
  ['Forwarded: for=6.6.6.6\r\nX-Forwarded-For: 203.0.113.7\r\n', '203.0.113.7'],
  ['Forwarded: for=203.0.113.7\r\nX-Forwarded-For: \r\n', '203.0.113.7'],
];
for (const [lines, address] of CASES) {
  test(`${JSON.stringify(lines)} of trusted proxy is ${address} in log and hash key`, async (t) => {
    const rig = await Rig.open(t, {
      trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'],
      accessLog: 'json',
      hashKey: [{ kind: 'client-ip' }],
      replicas: 8,
    });
    for (const replica of rig.replicas) replica.serve();
    const owner = rig.ownerOf(hashKeyOf(address, 'maglev'));
    const client = await rig.client();
    // plain, and not
    for (const more of ['', 'Connection: close, x\r\n']) {
      client.send(get('/', `${lines}${more}`));
      await client.response();
    }
    await eventually('both lines', () => {
      rig.tick();
      return rig.logged.split('\n').length === 3;
    });
    for (const line of rig.logged.trim().split('\n')) {
      assert.equal((JSON.parse(line) as { client: string }).client, address);
      assert.equal((JSON.parse(line) as { replica: string }).replica, `S${owner + 1}`);
    }
  });
}

test('ranges of trusted proxies are compared in canonical form', () => {
  for (const [range, address, isTrusted] of [
    ['::ffff:10.0.0.0/104', '10.1.2.3', true],
    ['::ffff:10.0.0.0/104', '11.1.2.3', false],
    ['::ffff:10.0.0.1', '::ffff:a00:1', true],
    ['10.0.0.0/8', '::FFFF:10.1.2.3', true],
    ['2001:DB8::/32', '2001:0db8::1', true],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['0:0:0:0:0:0:0:1', '::1', true],
    ['10.0.0.0/8', '', false],
  ] as const)
    assert.equal(new TrustedProxies([range]).infoOf(address).trusted, isTrusted, `${range} ${address}`);
});

test('parsing Forwarded takes time linear in its length', () => {
  const proxies = new TrustedProxies(['10.0.0.1']);
  const proxy = { ip: '10.0.0.1', trusted: true, isTls: false };
  for (const unit of ['a', 'a=', 'a="', '"', 'a="\\', ' ', 'a ', ';'])
    assert.equal(proxies.originOf(proxy, ['Forwarded', unit.repeat(1 << 19)]), '10.0.0.1');
});
