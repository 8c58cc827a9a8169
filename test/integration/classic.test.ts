import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { placeVnodes, requestSlot } from '../../lib/core/classic.ts';
import { Balancer } from '../helpers/balancer.ts';

const SLOTS = 512;

/** The replica id that owns request `number` on the textbook ring of the ids 1 to 3: first vnode clockwise. */
function ownerOf(number: number): number {
  const vnodes = placeVnodes([1, 2, 3], { slots: SLOTS, vnodes: 9, probing: 'linear' });
  const start = requestSlot(number, SLOTS);
  const distance = ({ slot }: { readonly slot: number }) => (slot - start + SLOTS) % SLOTS;
  return [...vnodes].sort((a, b) => distance(a) - distance(b))[0]!.id;
}

describe('a balancer in the classic profile', () => {
  let balancer: Balancer;
  before(async () => {
    balancer = await Balancer.ready('--classic');
  });
  after(() => balancer.stop());

  it('sends each request number to the replica that the textbook ring says', async () => {
    const { body } = await balancer.askAdmin('GET', '/ring');
    const { members } = JSON.parse(body).message as { members: { name: string; id: number }[] };
    const names = new Map(members.map(({ id, name }) => [id, name]));
    const numbers = Array.from({ length: 60 }, (_, index) => 1 + index * 167);
    const expected = numbers.map((number) => names.get(ownerOf(number)));
    assert.equal(new Set(expected).size, 3);
    const answered: string[] = [];
    for (const number of numbers) answered.push(await balancer.home({ 'x-request-id': String(number) }));
    assert.deepEqual(answered, expected);
  });

  it('gives its replicas names of S and six random digits', async () => {
    const names = (await balancer.replicas()).map(({ name }) => name);
    for (const name of names) assert.match(name, /^S\d{6}$/);
    assert.equal(new Set(names).size, 3);
  });

  it('turns a path that the replicas do not know into its own 400', async () => {
    const { status, body } = await balancer.ask('GET', '/other?a=1');
    assert.equal(status, 400);
    assert.deepEqual(JSON.parse(body), {
      message: "<Error> '/other' endpoint does not exist in server replicas",
      status: 'failure',
    });
  });
});
