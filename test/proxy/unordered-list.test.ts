import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NOT_LISTED, UnorderedList } from '../../lib/proxy/unordered-list.ts';

class Item {
  place = NOT_LISTED;
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

function listOf(names: string): { list: UnorderedList<Item>; items: readonly Item[] } {
  const list = new UnorderedList<Item>();
  const items = [...names].map((name) => new Item(name));
  for (const item of items) list.add(item);
  return { list, items };
}

const namesIn = (list: UnorderedList<Item>): string => [...list].map(({ name }) => name).join('');
const sorted = (names: string): string => [...names].sort().join('');

describe('an unordered list', () => {
  it('has what was added and not removed', () => {
    const { list, items } = listOf('abcde');
    assert.equal(list.size, 5);
    for (const [at, left] of [
      [0, 'bcde'],
      [4, 'bcd'],
      [2, 'bd'],
      [1, 'd'],
      [3, ''],
    ] as const) {
      assert.equal(list.remove(items[at]!), true);
      assert.equal(sorted(namesIn(list)), left);
      assert.equal(list.size, left.length);
      assert.equal(items[at]!.place, NOT_LISTED);
    }
  });

  it('says that something is not in it', () => {
    const { list, items } = listOf('ab');
    assert.equal(list.remove(items[0]!), true);
    assert.equal(list.remove(items[0]!), false);
    assert.equal(list.remove(new Item('c')), false);
    assert.equal(namesIn(list), 'b');
  });

  it('takes back what has left it', () => {
    const { list, items } = listOf('abc');
    list.remove(items[1]!);
    list.add(items[1]!);
    assert.equal(sorted(namesIn(list)), 'abc');
    list.remove(items[2]!);
    assert.equal(sorted(namesIn(list)), 'ab');
  });

  for (const [leaving, which] of [
    ['all', () => true],
    ['none', () => false],
    ['every second', (_: string, at: number) => at % 2 === 0],
  ] as const)
    it(`visits each while it removes ${leaving}`, () => {
      const { list } = listOf('abcdefg');
      const visited: string[] = [];
      for (const item of list) {
        if (which(item.name, visited.length)) list.remove(item);
        visited.push(item.name);
      }
      assert.equal(sorted(visited.join('')), 'abcdefg');
    });

  it('visits each that is left when others leave meanwhile', () => {
    const { list, items } = listOf('abcdefg');
    const visited = new Set<string>();
    for (const item of list) {
      visited.add(item.name);
      if (item.name === 'f')
        for (const gone of ['a', 'b', 'g']) list.remove(items.find(({ name }) => name === gone)!);
    }
    assert.deepEqual([...visited].sort(), ['c', 'd', 'e', 'f', 'g']);
    assert.equal(sorted(namesIn(list)), 'cdef');
  });

  it('does not visit what joins meanwhile', () => {
    const { list } = listOf('ab');
    const visited: string[] = [];
    for (const item of list) {
      visited.push(item.name);
      list.add(new Item('new'));
    }
    assert.deepEqual(visited, ['b', 'a']);
  });
});
