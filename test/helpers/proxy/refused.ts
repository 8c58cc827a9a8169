/** What must happen to a request that two readers could read differently: it is refused, and nothing reaches a replica. */
import assert from 'node:assert/strict';
import { failureOf, get, headersOf, statusOf } from './message.ts';
import { seenBy, sent } from './scenes.ts';

export const SMUGGLED = get('/smuggled');
/** The beginning of a request with a body, to which its framing is to be added. */
export const POST = 'POST /p HTTP/1.1\r\nHost: a\r\n';
/** A whole chunked body. */
export const CHUNKS = '5\r\nhello\r\n0\r\n\r\n';

const STATUSES: readonly number[] = [400, 408, 413, 414, 417, 431, 501, 505];

/** Neither this request nor what follows it may reach a replica, and the connection ends after one JSON failure. */
export async function refused(t: { after(run: () => unknown): void }, bytes: string): Promise<void> {
  const { rig, client } = await sent(t, bytes + SMUGGLED);
  const response = await client.response();
  assert.ok(STATUSES.includes(statusOf(response)), response.startLine);
  assert.deepEqual(headersOf(response, 'connection'), ['close']);
  assert.match(failureOf(response), /^<Error> /);
  assert.equal(await client.over(), '', 'nothing after the failure');
  await rig.settled();
  assert.equal(seenBy(rig), '');
}
