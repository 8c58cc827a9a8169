/** Brings a fleet to a size, and back to what it was. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Control } from './client.ts';

const LOOK_MS = 20;
const GONE_MS = 60_000;

/** The names of which `wanted` are missing in `present`. */
const missing = (wanted: readonly string[], present: readonly string[]) =>
  wanted.filter((name) => !present.includes(name));

/** Adds replicas, or removes the last ones, until there are `count`; gives their names. */
export async function resizeTo(control: Control, count: number): Promise<readonly string[]> {
  const names = await control.names();
  if (names.length < count) return control.add([], count - names.length);
  if (names.length > count) return leave(control, names.slice(count));
  return names;
}

/** Removes them and waits until they have drained, for only then are their names free. */
async function leave(control: Control, names: readonly string[]): Promise<readonly string[]> {
  const left = await control.remove(names);
  const deadline = performance.now() + GONE_MS;
  while (performance.now() < deadline) {
    const present = (await control.replicas()).map(({ name }) => name);
    if (!names.some((name) => present.includes(name))) return left;
    await delay(LOOK_MS);
  }
  throw new Error(`${names.join(', ')} did not drain in ${GONE_MS} ms`);
}

/** Makes the fleet consist of exactly these names again. */
export async function restore(control: Control, names: readonly string[]): Promise<void> {
  const absent = missing(names, await control.names());
  if (absent.length > 0) await control.add(absent);
  const surplus = missing(await control.names(), names);
  if (surplus.length > 0) await leave(control, surplus);
}
