/** Asks a replica, as a client would. Must not hold: what the answer should be. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Endpoint } from '../../../lib/core/replica.ts';
import type { Instance } from '../../../lib/drivers/driver.ts';
import { eventually } from '../eventually.ts';

/** The status and body of one request on a connection of its own; rejects where nothing answers. */
export function get(endpoint: Endpoint, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { ...endpoint, path, agent: false, signal: AbortSignal.timeout(5_000) },
      (response) => {
        text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
      },
    );
    outgoing.once('error', reject).end();
  });
}

/** Waits until the instance answers its probe path with 200. */
export async function answering(instance: Instance): Promise<void> {
  assert.ok(instance.endpoint, `${instance.name} has an endpoint`);
  const { endpoint } = instance;
  await eventually(
    `an answer from ${instance.name}`,
    async () => (await get(endpoint, '/heartbeat')).status === 200,
  );
}

/** The message that the sample replica answers with, once it answers. */
export async function home(instance: Instance): Promise<string> {
  await answering(instance);
  const { body } = await get(instance.endpoint!, '/home');
  return (JSON.parse(body) as { message: string }).message;
}
