import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Owner, thisOwner } from '../../../lib/drivers/docker/owner.ts';
import {
  type MemberRecord,
  parseRecord,
  parseTurn,
  shortId,
  textOf,
  turnName,
} from '../../../lib/drivers/members/record.ts';

// without what is undefined in it
const OWNER: Owner = JSON.parse(JSON.stringify(thisOwner('127.0.0.1:5001', 0, undefined)));
const RECORD: MemberRecord = {
  owner: OWNER,
  number: 7,
  tableHash: '0a1b2c3d',
  using: ['0123456789ab'],
  removed: ['ba9876543210'],
  scale: undefined,
  deploy: { id: 'x-1', generation: 2, title: 'app:v2' },
  undo: 'x-0',
};

describe('the record of a balancer', () => {
  it('is read as it was written', () => {
    assert.deepEqual(parseRecord(textOf(RECORD)), RECORD);
  });

  it('is read where an earlier version wrote it', () => {
    const { owner, number, tableHash, using } = RECORD;
    const none = { removed: undefined, scale: undefined, deploy: undefined, undo: undefined };
    const text = JSON.stringify({ owner, number, tableHash, using });
    assert.deepEqual(parseRecord(text), { owner, number, tableHash, using, ...none });
  });

  for (const [what, change] of [
    ['an owner', { owner: {} }],
    ['a number', { number: '7' }],
    ['a hash of its table', { tableHash: 7 }],
    ['a list of instances', { using: '0123456789ab' }],
    ['ids of instances', { using: [7] }],
  ] as const)
    it(`is none without ${what}`, () => {
      assert.equal(parseRecord(JSON.stringify({ ...RECORD, ...change })), undefined);
    });

  for (const text of [undefined, '', 'null', '[]', '{'])
    it(`is none where the label is ${text ?? 'absent'}`, () => {
      assert.equal(parseRecord(text), undefined);
    });

  for (const change of [
    { removed: [7] },
    { removed: '0123456789ab' },
    { deploy: { ...RECORD.deploy, id: 7 } },
    { deploy: { ...RECORD.deploy, generation: '2' } },
    { deploy: { ...RECORD.deploy, title: undefined } },
    { undo: 7 },
  ])
    it(`is read without what makes no sense in it: ${JSON.stringify(change)}`, () => {
      const [part = ''] = Object.keys(change);
      const read = parseRecord(JSON.stringify({ ...RECORD, ...change }));
      assert.deepEqual(read, { ...RECORD, [part]: undefined });
    });

  it('has ids of twelve characters, by which versions agree', () => {
    assert.equal(shortId('0123456789abcdef'), '0123456789ab');
  });
});

describe('a turn', () => {
  it('is a name for each kind, and its number', () => {
    const names = [turnName('size', 'a-b', 12), turnName('deploy', 'a-b', 12)];
    assert.deepEqual(names, ['ringlb-turn-a-b-12', 'ringlb-deploy-a-b-12']);
    assert.deepEqual(parseTurn(names[0]!, 'x'), [{ key: names[0], number: 12, token: 'x' }]);
  });

  it('is none without a balancer or a number', () => {
    assert.deepEqual(parseTurn('ringlb-turn-p-12', undefined), []);
    assert.deepEqual(parseTurn('ringlb-turn-p-x', 'x'), []);
  });
});
