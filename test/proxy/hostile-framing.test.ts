/** Requests whose length two readers could read differently: refused, never forwarded. RFC 9112 sections 5, 6 and 11.2. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headersOf, statusOf } from '../helpers/proxy/message.ts';
import { CHUNKS, POST, refused } from '../helpers/proxy/refused.ts';
import { seenBy, sent } from '../helpers/proxy/scenes.ts';

const BOTH: readonly (readonly [string, string])[] = [
  [
    'Content-Length before Transfer-Encoding',
    `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
  ],
  [
    'Transfer-Encoding before Content-Length',
    `${POST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n${CHUNKS}`,
  ],
  [
    'Content-Length: 0 and Transfer-Encoding',
    `${POST}Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
  ],
  [
    'Content-Length on both sides of Transfer-Encoding',
    `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n${CHUNKS}`,
  ],
  [
    'a GET with both',
    `GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
  ],
];
for (const [name, bytes] of BOTH) test(`refused: ${name}`, (t) => refused(t, bytes));

for (const [name, bytes] of [
  ['a fragment in a target', 'GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a fragment in a target of a head that is not plain', 'GET /a?b#c HTTP/1.1\r\nHost:  a\r\n\r\n'],
  ['a fragment in an absolute target', 'GET http://a/b#c HTTP/1.1\r\nHost: a\r\n\r\n'],
] as const)
  test(`refused: ${name}`, (t) => refused(t, bytes));

const CODINGS = [
  'chunked, chunked',
  'chunked, identity',
  'identity',
  'identity, chunked',
  'gzip, chunked',
  'gzip',
  'xchunked',
  'chunkedx',
  'chunked\x0b',
  '\x0bchunked',
  '\x0cchunked',
  'chunked;q=1',
  '"chunked"',
  'chun ked',
  ', chunked',
  'chunked,',
  'chunked\x00',
  '\x00chunked',
  'chunked\r\nTransfer-Encoding: chunked',
  'chunked\r\nTransfer-Encoding: identity',
  'identity\r\nTransfer-Encoding: chunked',
  'chunked\r\nTransfer-Encoding: x',
  '\r\n chunked',
  'x\r\n chunked',
  'chunked\r\n x',
  '\xa0chunked',
  'chunked\xa0',
];
for (const coding of CODINGS) {
  test(`refused: Transfer-Encoding ${JSON.stringify(coding)}`, (t) =>
    refused(t, `${POST}Transfer-Encoding: ${coding}\r\n\r\n${CHUNKS}`));
  test(`refused: Transfer-Encoding ${JSON.stringify(coding)} with Content-Length`, (t) =>
    refused(t, `${POST}Content-Length: 15\r\nTransfer-Encoding: ${coding}\r\n\r\n${CHUNKS}`));
}

const NAMES = [
  'Transfer-Encoding : chunked',
  'Transfer-Encoding\t: chunked',
  ' Transfer-Encoding: chunked',
  'Transfer-Encoding\x0b: chunked',
  'Transfer-Encoding\x00: chunked',
  'Transfer\x00-Encoding: chunked',
  'X: y\r\n Transfer-Encoding: chunked',
  'X: y\r\n\tTransfer-Encoding: chunked',
  'X: y\rTransfer-Encoding: chunked',
  'X: y\nTransfer-Encoding: chunked',
  'X: y\n\rTransfer-Encoding: chunked',
  'X: y\r\r\nTransfer-Encoding: chunked',
  'Foo\r\nTransfer-Encoding: chunked',
  ': x\r\nTransfer-Encoding: chunked',
  'Content-Length : 15',
  'Content-Length\x00: 15',
  'Content Length: 15',
  'X Y: 1',
  'X(: 1',
  'X\xe4: 1',
  'X: a\x00b',
  'X: a\x01b',
  'X: a\x7fb',
  'X: a\rb',
  'X: a\nb',
  'Foo',
];
for (const line of NAMES)
  test(`refused: the line ${JSON.stringify(line)}`, (t) => refused(t, `${POST}${line}\r\n\r\n${CHUNKS}`));

const LENGTHS = [
  '+15',
  '-1',
  '-15',
  '0x0f',
  '15 15',
  '15, 16',
  '15, 15',
  '15,',
  ',15',
  '',
  '15a',
  'a15',
  '1e1',
  '15.0',
  '1_5',
  '"15"',
  '15;',
  '\x0b15',
  '15\x00',
  '99999999999999999999',
  '18446744073709551631',
  '9223372036854775808',
  '15\r\nContent-Length: 16',
  '16\r\nContent-Length: 15',
  '15\r\n 0',
];
for (const length of LENGTHS)
  test(`refused: Content-Length ${JSON.stringify(length)}`, (t) =>
    refused(t, `${POST}Content-Length: ${length}\r\n\r\n${CHUNKS}`));

test('equal Content-Length lines are refused, or go on as one', async (t) => {
  const { rig, client } = await sent(t, `${POST}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`);
  const response = await client.response();
  if (statusOf(response) === 400) return assert.equal(seenBy(rig), '');
  for (const request of rig.replica.requests) assert.equal(headersOf(request, 'content-length').length, 1);
});
