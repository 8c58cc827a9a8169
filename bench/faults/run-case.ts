/** Runs one case of the campaign and judges it by its figures. */
import type { FaultCase, Row } from './fault-case.ts';
import { Stage } from './stage.ts';

/** Clients that stand still longer than this measure their machine. */
const STALL_MS = 1000;

/**
 * One run; whatever the case throws is a problem of its row. `scale` is 1, or less for a short run. The logs of its
 * balancers are kept in the directory `logs` where there is one.
 */
export async function runCase(fault: FaultCase, scale: number, logs?: string): Promise<Row> {
  const stage = new Stage(scale, logs);
  const sinceMs = performance.now();
  const { id, title } = fault;
  const empty = { id, title, gets: 0, getsLost: 0, posts: 0, postsLost: 0, postsTwice: 0 };
  const seconds = (): number => Math.round((performance.now() - sinceMs) / 100) / 10;
  try {
    const { traffic, sent = 0, lost = 0, note, problems = [] } = await fault.run(stage);
    if (traffic !== undefined) stage.keep('losses.json', JSON.stringify(traffic.losses, undefined, 1));
    const gets = (traffic?.gets.sent ?? 0) + sent;
    const getsLost = (traffic?.gets.lost ?? 0) + lost;
    const posts = traffic?.posts.sent ?? 0;
    const twice = stage.carriedOutTwice();
    const most = fault.mayLose?.gets ?? 0;
    const found = [...problems];
    if (getsLost > most) found.push(`${getsLost} GETs lost: ${reasonsOf(traffic?.reasons)}`);
    if (found.length > 0 && traffic !== undefined && traffic.stallMs > STALL_MS)
      found.push(`the machine is too busy: the clients stood still for ${Math.round(traffic.stallMs)} ms`);
    if (twice.length > 0) found.push(`POSTs carried out twice: ${twice.slice(0, 3).join(' ')}`);
    const counts = { gets, getsLost, posts, postsLost: traffic?.posts.lost ?? 0, postsTwice: twice.length };
    return { ...empty, ...counts, seconds: seconds(), note, problems: found };
  } catch (error) {
    return { ...empty, seconds: seconds(), note: '', problems: [(error as Error).message] };
  } finally {
    await stage.close();
  }
}

function reasonsOf(reasons: ReadonlyMap<string, number> | undefined): string {
  return [...(reasons ?? [])].map(([reason, count]) => `${count} × ${reason}`).join('; ');
}
