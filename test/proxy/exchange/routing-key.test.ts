/**
 * The hashes that requests are routed by, computed from bytes and from texts: each must be `hashKeyOf` of `placementKey`.
 */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { hashKeyOf, NO_KEY, parseHashKey, placementKey } from '../../../lib/core/hashing/hash-key.ts';
import { ALGORITHMS, type Algorithm } from '../../../lib/core/hashing/slot-table.ts';
import type { ParsedRequest } from '../../../lib/http1/request-head.ts';
import { RequestParser } from '../../../lib/http1/request-parser.ts';
import { ClientRequest } from '../../../lib/proxy/downstream/request.ts';
import { RoutingKey } from '../../../lib/proxy/exchange/routing-key.ts';
import { buildRequestHead, type HeaderPolicy } from '../../../lib/proxy/headers/request-headers.ts';
import { CountedIds, type RequestIds, SixDigitIds } from '../../../lib/proxy/headers/request-ids.ts';
import { TrustedProxies } from '../../../lib/proxy/headers/trusted-proxies.ts';
import { fuzzRun, Random } from '../../helpers/random.ts';

const { seed, runs } = fuzzRun(4000);
const POLICY: HeaderPolicy = {
  maxHeaders: 100,
  maxTargetBytes: 8192,
  forwarded: false,
  via: false,
  debugFor: 'nobody',
  sticky: '',
};
const LIMITS = { maxHeadBytes: 16_384, maxHeaders: 100, maxTargetBytes: 8192 };
const PROXIES = new TrustedProxies(['10.0.0.0/8']);
const memory = Buffer.alloc(65_536);
const CONNECTION = { socket: {} as Socket };

interface Asked {
  readonly hashKey: string;
  readonly text: string;
  readonly ip?: string;
  readonly algorithm?: Algorithm;
}

/** The hash of a request whose head came whole, of one that came in two parts, and what both have to be. */
function hashes({ hashKey, text, ip = '127.0.0.1', algorithm = 'maglev' }: Asked): {
  readonly whole: number;
  readonly cut: number;
  readonly expected: number;
  readonly key: string;
} {
  const parsed = parseHashKey(hashKey);
  assert.ok('value' in parsed);
  const ids: RequestIds = algorithm === 'classic' ? new SixDigitIds(algorithm) : new CountedIds();
  const hasher = new RoutingKey(parsed.value, algorithm, PROXIES, ids);
  const client = PROXIES.infoOf(ip);
  const newRequestId = ids.next();
  const told: { readonly hash: number; readonly key: string }[] = [];
  const tell = (marks: ParsedRequest): void => {
    const request = new ClientRequest(CONNECTION, marks, undefined);
    const head = buildRequestHead(marks, client, POLICY, newRequestId);
    const { url: target, rawHeaders } = request;
    const facts = { url: target, rawHeaders, clientIp: PROXIES.originOf(client, rawHeaders) };
    const key =
      hashKey === 'request-id' ? head.requestId : placementKey(parsed.value, facts, head.requestId).value;
    told.push({ hash: hasher.hashOf(client, request, head, marks), key });
  };
  for (const cuts of [[text], [text.slice(0, 9), text.slice(9)]]) {
    const parser = new RequestParser(LIMITS, { onRequest: tell, onBody: () => {}, onRequestEnd: () => {} });
    for (const piece of cuts) parser.parse(memory, 0, memory.write(piece, 'latin1'));
  }
  const [whole, cut] = told;
  assert.ok(whole && cut && told.length === 2, JSON.stringify(text));
  return { whole: whole.hash, cut: cut.hash, expected: hashKeyOf(whole.key, algorithm), key: whole.key };
}

const get = (lines = '', target = '/') => `GET ${target} HTTP/1.1\r\nHost: h\r\n${lines}\r\n`;

for (const { name, key, ...asked } of [
  {
    name: 'an id that a client sent',
    hashKey: 'request-id',
    text: get('X-Request-Id: abc-123\r\n'),
    key: 'abc-123',
  },
  {
    name: 'the first of two ids',
    hashKey: 'request-id',
    text: get('X-Request-Id: a\r\nx-request-id: b\r\n'),
    key: 'a',
  },
  {
    name: 'the first id that is one',
    hashKey: 'request-id',
    text: get('X-Request-Id: \xe4\r\nX-Request-Id: b\r\n'),
    key: 'b',
  },
  {
    name: 'what stands for an id, in a list',
    hashKey: 'header:x-user,request-id',
    text: get('X-Request-Id: \xe4 \xf6\r\n'),
    key: '\xe4 \xf6',
  },
  { name: 'a header, in any case', hashKey: 'header:X-User', text: get('x-USER: user 1\r\n'), key: 'user 1' },
  {
    name: 'a header among those with longer and shorter names',
    hashKey: 'header:x-user',
    text: get('X-User-2: a\r\nX-Use: b\r\nX: c\r\nX-User: d\r\n'),
    key: 'd',
  },
  {
    name: 'the first of two headers',
    hashKey: 'header:x-user',
    text: get('X-User: a\r\nX-User: b\r\n'),
    key: 'a',
  },
  {
    name: 'a header that is the last',
    hashKey: 'header:x-user',
    text: get('A: b\r\nX-User: \xff:\t\xfe\r\n'),
    key: '\xff:\t\xfe',
  },
  { name: 'a header that is not sent on', hashKey: 'header:host', text: get(), key: 'h' },
  ...(['H', 'h:80', 'h:8080', 'H:', 'h'] as const).map((host) => ({
    name: `a host, written ${host}`,
    hashKey: 'header:Host',
    text: get().replace(/Host: h/i, `Host: ${host}`),
    key: 'h',
  })),
  {
    name: 'a host that is an address',
    hashKey: 'header:host',
    text: get().replace(/Host: h/i, 'Host: [2001:DB8::1]:80'),
    key: '[2001:db8::1]',
  },
  {
    name: 'the second source, for lack of the first',
    hashKey: 'header:x-user,header:accept',
    text: get('Accept: */*\r\n'),
    key: '*/*',
  },
  { name: 'a path', hashKey: 'path', text: get('', '/a/b?c=d'), key: '/a/b' },
  { name: 'a path without a query', hashKey: 'path', text: get('', '/a/b'), key: '/a/b' },
  { name: 'a target', hashKey: 'uri', text: get('', '/a/b?c=d?e'), key: '/a/b?c=d?e' },
  { name: 'a cookie', hashKey: 'cookie:sid', text: get('Cookie: a=b; sid=42\r\n'), key: '42' },
  { name: 'a parameter of the query', hashKey: 'query:user', text: get('', '/?user=4%32'), key: '42' },
  {
    name: 'a header before a cookie',
    hashKey: 'header:x-user,cookie:sid',
    text: get('Cookie: sid=1\r\nX-User: 2\r\n'),
    key: '2',
  },
  {
    name: 'a cookie, for lack of a header',
    hashKey: 'header:x-user,cookie:sid',
    text: get('Cookie: sid=1\r\n'),
    key: '1',
  },
  { name: 'an address', hashKey: 'client-ip', text: get('X-Forwarded-For: 1.2.3.4\r\n'), key: '127.0.0.1' },
  {
    name: 'the address that a trusted proxy tells',
    hashKey: 'client-ip',
    ip: '10.1.2.3',
    text: get('X-Forwarded-For: 1.2.3.4\r\n'),
    key: '1.2.3.4',
  },
] satisfies (Asked & { name: string; key: string })[]) {
  test(`a request is placed by ${name}`, () => {
    for (const algorithm of ALGORITHMS) {
      const found = hashes({ ...asked, algorithm });
      assert.equal(found.key, key);
      assert.deepEqual([found.whole, found.cut], [hashKeyOf(key, algorithm), found.expected]);
    }
  });
}

for (const hashKey of ['request-id', 'header:x-user', 'cookie:sid,request-id']) {
  test(`a request without ${hashKey} is routed by its generated id`, () => {
    for (const algorithm of ALGORITHMS) {
      const { whole, cut, expected, key } = hashes({ hashKey, algorithm, text: get('X-Use: r\r\n') });
      assert.match(key, algorithm === 'classic' ? /^\d{6}$/ : /^[0-9a-f]{12}-00000$/);
      assert.deepEqual([whole, cut], [expected, expected]);
    }
  });
}

test('in classic ring numeric id is a number, as bytes too', () => {
  const { whole } = hashes({
    hashKey: 'request-id',
    algorithm: 'classic',
    text: get('X-Request-Id: 123456\r\n'),
  });
  assert.equal(whole, 123_456);
});

test('what follows a head in memory is no part of it', () => {
  const asked = { hashKey: 'header:x-user', text: get('A: b\r\n') };
  hashes({ ...asked, text: get('A: b\r\nX-User: c\r\nX-User: d\r\n') });
  const { whole, expected } = hashes(asked);
  assert.equal(whole, expected);
});

const SOURCES = [
  'request-id',
  'client-ip',
  'path',
  'uri',
  'header:X-User',
  'header:a',
  'cookie:a',
  'query:a',
];
const LINES = [
  'X-User: ',
  'x-user: ',
  'X-Request-Id: ',
  'a: ',
  'A: ',
  'Aa: ',
  'Cookie: a=',
  'Accept: ',
  'X-Forwarded-For: ',
];
const VALUES = ['1', '12', '1.2.3.4', 'user-17', '\xe4\xf6\xfc', 'a b', 'a\tb', 'x'.repeat(129), 'a=b; a=c'];
const TARGETS = ['/', '/a', '/a?a=1', '/a?b', '/?a=%41b', '/a/b/c?d=e&a=f'];

test(`random requests hash alike as bytes and texts (${runs}, seed ${seed})`, () => {
  const random = new Random(seed);
  for (let run = 0; run < runs; run++) {
    const several = (most: number, one: () => string) => Array.from({ length: random.below(most + 1) }, one);
    const hashKey = [random.pick(SOURCES), ...several(2, () => random.pick(SOURCES))].join(',');
    const lines = several(5, () => `${random.pick(LINES)}${random.pick(VALUES)}\r\n`).join('');
    const asked = {
      hashKey,
      text: get(lines, random.pick(TARGETS)),
      ip: random.pick(['127.0.0.1', '10.0.0.1']),
      algorithm: random.pick(ALGORITHMS),
    };
    const { whole, cut, expected } = hashes(asked);
    assert.deepEqual([whole, cut], [expected, expected], JSON.stringify(asked));
  }
});

for (const algorithm of ['maglev', 'classic'] as const) {
  test(`a keyless request has no hash before p2c with ${algorithm}`, () => {
    for (const hashKey of ['p2c', 'header:x-user,p2c', 'query:q,p2c', 'cookie:c,client-ip,p2c']) {
      const isIp = hashKey.includes('client-ip');
      const { whole, cut } = hashes({ hashKey, text: get(), algorithm });
      assert.deepEqual([whole === NO_KEY, cut === NO_KEY], [!isIp, !isIp]);
    }
    const { whole, cut, expected } = hashes({
      hashKey: 'header:x-user,p2c',
      text: get('X-User: 7\r\n'),
      algorithm,
    });
    assert.deepEqual([whole, cut], [expected, expected]);
  });
}
