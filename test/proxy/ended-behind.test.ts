/** Replicas that close their connection right behind a response, without Connection: close. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { get, ok, post, statusOf } from '../helpers/proxy/message.ts';
import type { Peer } from '../helpers/proxy/peer.ts';
import { Rig } from '../helpers/proxy/rig.ts';

const CLIENTS = 8;
const REQUESTS_EACH = 20;
const WAYS: readonly (readonly [string, (replica: Peer) => void])[] = [
  ['ends', (replica) => replica.end()],
  ['resets', (replica) => replica.reset()],
];
const REQUESTS: readonly (readonly [string, string])[] = [
  ['POST', post('/', 'hello')],
  ['GET', get('/')],
];

for (const [way, leave] of WAYS) {
  for (const [method, request] of REQUESTS) {
    test(`where a replica ${way} after each response, ${method} takes one attempt`, async (t) => {
      const rig = await Rig.open(t);
      rig.replica.serve((_request, peer) => {
        peer.send(ok('hello'));
        leave(peer);
        return undefined;
      });
      const statuses = new Set<number>();
      const one = async (): Promise<void> => {
        const client = await rig.client();
        for (let count = 0; count < REQUESTS_EACH; count++) {
          client.send(request);
          statuses.add(statusOf(await client.response()));
        }
      };
      await Promise.all(Array.from({ length: CLIENTS }, one));
      assert.deepEqual([...statuses], [200]);
      const { fresh, reused } = rig.counts().replicas[0]!;
      assert.deepEqual([fresh, reused], [CLIENTS * REQUESTS_EACH, 0]);
    });
  }
}
