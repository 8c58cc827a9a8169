import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';

/** The slots of the replicas 1 to 3 on the textbook ring. */
const VNODES: readonly (readonly number[])[] = [
  [26, 29, 34, 41, 50, 61, 74, 89, 106],
  [30, 32, 37, 44, 53, 64, 77, 92, 109],
  [35, 38, 42, 49, 58, 69, 82, 97, 114],
];

const slotOf = (number: number): number => (number * number + 2 * number + 17) % 512;

/** The replica id that owns request `number`: that of the first occupied slot clockwise, its own included. */
function ownerOf(number: number): number {
  const start = slotOf(number);
  const distances = VNODES.map((slots) => Math.min(...slots.map((slot) => (slot - start + 512) % 512)));
  return 1 + distances.indexOf(Math.min(...distances));
}

describe('a balancer in the classic profile', () => {
  let balancer: Balancer;
  before(async () => {
    balancer = await Balancer.ready('--classic');
  });
  after(() => balancer.stop());

  it('sends each request number to its replica on the ring', async () => {
    const { body } = await balancer.askAdmin('GET', '/ring');
    const { members } = JSON.parse(body).message as { members: { name: string; id: number }[] };
    const names = new Map(members.map(({ id, name }) => [id, name]));
    // most slots are the first replica's; these are those among the vnodes, and some others
    const numbers = Array.from({ length: 512 }, (_, index) => 9001 + index).filter(
      (number) => slotOf(number) <= 114 || number % 20 === 0,
    );
    const expected = numbers.map((number) => names.get(ownerOf(number)));
    assert.equal(new Set(expected).size, 3);
    const answered: string[] = [];
    for (const number of numbers) answered.push(await balancer.home({ 'x-request-id': String(number) }));
    assert.deepEqual(answered, expected);
  });

  it('numbers requests that bring no number: six digits, at random', async () => {
    const numbers: string[] = [];
    for (let count = 0; count < 8; count++) {
      const { headers } = await balancer.ask('GET', '/home');
      numbers.push(String(headers['x-request-id']));
    }
    for (const number of numbers) assert.match(number, /^[1-9]\d{5}$/);
    assert.ok(new Set(numbers).size > 1);
  });

  it('gives its replicas names of S and six random digits', async () => {
    const names = (await balancer.replicas()).map(({ name }) => name);
    for (const name of names) assert.match(name, /^S\d{6}$/);
    assert.equal(new Set(names).size, 3);
  });

  it('replaces a killed replica under a new name and old id', async () => {
    const [victim, ...others] = await balancer.replicas();
    process.kill(Number.parseInt(victim!.instance!, 10), 'SIGKILL');
    const after = await eventually('its name is gone and three are healthy', async () => {
      const now = await balancer.replicas();
      assert.equal(now.length, 3);
      const isOver = now.every(({ name, state }) => name !== victim!.name && state === 'healthy');
      return isOver && now;
    });
    assert.deepEqual(
      after.slice(0, 2).map(({ name }) => name),
      others.map(({ name }) => name),
    );
    assert.match(after[2]!.name, /^S\d{6}$/);
    assert.equal(after[2]!.id, victim!.id);
  });

  it('removes all when asked to remove more, and adds again', async () => {
    const none = await balancer.ask('DELETE', '/rm', { body: { n: 9, hostnames: [] } });
    assert.deepEqual(JSON.parse(none.body), { message: { N: 0, replicas: [] }, status: 'successful' });
    const three = await balancer.ask('POST', '/add', { body: { n: 3, hostnames: [] } });
    assert.equal((JSON.parse(three.body) as { message: { N: number } }).message.N, 3);
    assert.equal((await balancer.ask('GET', '/home')).status, 200);
  });

  it('turns an unknown path into its own 400', async () => {
    const { status, body } = await balancer.ask('GET', '/other?a=1');
    assert.equal(status, 400);
    assert.deepEqual(JSON.parse(body), {
      message: "<Error> '/other' endpoint does not exist in server replicas",
      status: 'failure',
    });
  });
});
