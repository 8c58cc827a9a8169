import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSecret, headWithPeer, isHandedOver, PEER_HEADER, peerOf } from '../../lib/api/peer-header.ts';

const HEAD = 'POST /add HTTP/1.1\r\nHost: a\r\n';

describe('isHandedOver', () => {
  for (const target of [
    '/rep',
    '/add',
    '/rm',
    '/add?dry-run',
    '/rep?',
    '/rm?a=/b?c',
    '/scale',
    '/scale?n=5',
  ]) {
    it(`is true for ${target}`, () => assert.equal(isHandedOver(target), true));
  }
  for (const target of [
    ...[
      '/',
      '*',
      '/re',
      '/adds',
      '/addsx',
      '/scales',
      '/scal',
      '/SCALE',
      '/scale/',
      '/add/',
      '//add',
      '/ADD',
      '/%61dd',
      '/add%3Fx',
      '/add;x',
      '/x/../add',
      '/add#x',
    ],
    ...['/healthz', '/replicas', '/ring', '/metrics', '/events', '/drain', '/?/add', '/rep/../replicas'],
  ]) {
    it(`is false for ${target}`, () => assert.equal(isHandedOver(target), false));
  }
});

describe('headWithPeer', () => {
  it('says behind the request line who the client is', () => {
    assert.equal(
      headWithPeer(`${HEAD}\r\n`, 'word', '10.0.0.1'),
      `POST /add HTTP/1.1\r\n${PEER_HEADER}: word 10.0.0.1\r\nHost: a\r\n\r\n`,
    );
  });

  for (const own of [
    'X-Ringlb-Peer: x 127.0.0.1',
    'x-ringlb-peer:',
    'X-RINGLB-PEER : a',
    'x-ringlb-peer:\tb',
  ]) {
    it(`drops "${own}" of a client's, wherever and however often it stands`, () => {
      const text = headWithPeer(`${HEAD}${own}\r\nA: b\r\n${own}\r\n\r\n`, 'word', '10.0.0.1');
      assert.equal(text, headWithPeer(`${HEAD}A: b\r\n\r\n`, 'word', '10.0.0.1'));
    });
  }

  it('leaves a header of another name that ends or begins alike', () => {
    const others = 'Not-x-ringlb-peer: a\r\nX-Ringlb-Peers: b\r\n';
    assert.ok(headWithPeer(`${HEAD}${others}\r\n`, 'word', '10.0.0.1').includes(others));
  });
});

describe('peerOf', () => {
  it('gives the address behind the secret', () => {
    assert.equal(peerOf(['word 10.0.0.1'], 'word'), '10.0.0.1');
    assert.equal(peerOf(['word fe80::1'], 'word'), 'fe80::1');
  });

  for (const [title, values, secret] of [
    ['no header', [], 'word'],
    ['two headers', ['word 10.0.0.1', 'word 10.0.0.1'], 'word'],
    ['another secret', ['wort 10.0.0.1'], 'word'],
    ['the beginning of the secret', ['wor 10.0.0.1'], 'word'],
    ['no secret', [' 10.0.0.1'], 'word'],
    ['no address', ['word'], 'word'],
    ['an empty address', ['word '], 'word'],
    ['two addresses', ['word 10.0.0.1 8.8.8.8'], 'word'],
    ['a secret that is not set', [' 10.0.0.1'], ''],
  ] as const) {
    it(`gives nothing for ${title}`, () => assert.equal(peerOf(values, secret), undefined));
  }
});

describe('createSecret', () => {
  it('is another each time, and as long as 256 bits need', () => {
    assert.notEqual(createSecret(), createSecret());
    assert.match(createSecret(), /^[\w-]{43}$/);
  });
});
