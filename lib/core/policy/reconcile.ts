/**
 * Compares the desired replicas with the observed instances and lists the actions that make them agree. Level-triggered:
 * the same lists give the same actions, whatever happened before. Pure.
 */

/** A replica that should have an instance. */
export interface Desired {
  readonly name: string;
  /** The instance that is expected in its place; undefined while there is none. */
  readonly instanceId: string | undefined;
}

/** An instance that the engine shows. */
export interface Observed {
  readonly instanceId: string;
  readonly name: string;
  readonly status: 'running' | 'dead';
  readonly role: 'current' | 'next' | 'replaced' | 'removed';
  /** The instance of another name that this one was started to replace. */
  readonly instead?: string | undefined;
  /** Of the release that it is of; they rise with every deploy. */
  readonly generation?: number | undefined;
}

export type Action =
  /** The instance of this replica is missing or dead: start another in its place. */
  | { readonly kind: 'replace'; readonly name: string; readonly instanceId: string | undefined }
  /** No replica needs this instance: remove it. */
  | { readonly kind: 'discard'; readonly name: string; readonly instanceId: string };

/**
 * Compares. `busy` names the replicas whose instance is being started or stopped right now, and `leaving` the
 * instances that are being stopped: neither gets an action.
 */
export function reconcile(
  desired: readonly Desired[],
  observed: readonly Observed[],
  busy: ReadonlySet<string>,
  leaving: ReadonlySet<string>,
): readonly Action[] {
  const actions: Action[] = [];
  const alive = new Set(observed.filter((one) => one.status === 'running').map((one) => one.instanceId));
  const wanted = new Set<string>();
  for (const { name, instanceId } of desired) {
    if (instanceId !== undefined) wanted.add(instanceId);
    if (busy.has(name)) continue;
    if (instanceId === undefined || !alive.has(instanceId))
      actions.push({ kind: 'replace', name, instanceId });
  }
  for (const { name, instanceId } of observed) {
    if (wanted.has(instanceId) || leaving.has(instanceId) || busy.has(name)) continue;
    actions.push({ kind: 'discard', name, instanceId });
  }
  return actions;
}

/** A replica that an earlier balancer left behind. */
export interface Found<I extends Observed> {
  readonly name: string;
  readonly id: number;
  /** Its running instance, if there is one. */
  readonly running: I | undefined;
  /** The dead instance that still has its name, if nothing runs. */
  readonly dead: I | undefined;
  /** The instance that tells most of the replica: one of these, or the last one that was being replaced. */
  readonly witness: I;
}

const RANKS = { current: 0, next: 2, replaced: 4, removed: 6 } as const;

/** Best first: a running current instance, a dead one, one that was about to take over, one that was being replaced. */
function rankOf({ role, status }: Observed): number {
  return RANKS[role] + (status === 'dead' ? 1 : 0);
}

/**
 * Reads from what exists what an earlier balancer's fleet was, in the order of ids: every name that has a current
 * instance, running or dead, or one that was being replaced. Instances that no replica needs are in `rest`.
 */
export function findFleet<I extends Observed & { readonly id: number }>(
  observed: readonly I[],
): { readonly places: readonly Found<I>[]; readonly rest: readonly I[] } {
  const succeeded = new Set(observed.map(({ instead }) => instead));
  const ordered = observed.toSorted((a, b) => rankOf(a) - rankOf(b));
  const byName = Map.groupBy(ordered, ({ name }) => name);
  const places = [...byName.values()].flatMap((candidates) => placeOf(candidates, succeeded) ?? []);
  const inPlace = new Set(places.flatMap(({ running, dead }) => running ?? dead ?? []));
  const rest = ordered.filter((one) => !inPlace.has(one));
  return { places: places.sort((a, b) => a.id - b.id), rest };
}

/**
 * True where the instances of one name, which are all that there are of it, tell that its replica was removed: nothing has
 * the place or is about to take it, and what had it last was not replaced but removed.
 */
export function wasRemoved(instances: readonly Pick<Observed, 'role' | 'status' | 'generation'>[]): boolean {
  const latestOf = (wanted: Observed['role']): number =>
    Math.max(...instances.map(({ role, generation = 0 }) => (role === wanted ? generation : -1)));
  const isHeld = instances.some(
    ({ role, status }) => role === 'current' || (role === 'next' && status === 'running'),
  );
  const removed = latestOf('removed');
  return !isHeld && removed >= 0 && removed >= latestOf('replaced');
}

/** The place that the instances of one name, best first, tell of; undefined where the replica was removed. */
function placeOf<I extends Observed & { readonly id: number }>(
  candidates: readonly I[],
  succeeded: ReadonlySet<string | undefined>,
): Found<I> | undefined {
  if (wasRemoved(candidates)) return undefined;
  const best = candidates.find(
    ({ role, status, instanceId }) =>
      role !== 'removed' && !(role === 'next' && status === 'dead') && !succeeded.has(instanceId),
  );
  if (best === undefined) return undefined;
  const { name, id } = best;
  if (best.role !== 'replaced' && best.status === 'running')
    return { name, id, running: best, dead: undefined, witness: best };
  const earlier = earlierRelease(candidates);
  if (earlier !== undefined) return { name, id, running: earlier, dead: undefined, witness: earlier };
  return { name, id, running: undefined, dead: best.role === 'replaced' ? undefined : best, witness: best };
}

/**
 * Where nothing runs in the place, the running instance of the release before, which a deploy or its rollback had out of
 * the place: what came after it has ended, or was being taken back.
 */
function earlierRelease<I extends Observed>(candidates: readonly I[]): I | undefined {
  const releases = candidates.map(({ generation = 0 }) => generation);
  const oldest = candidates
    .filter(({ role, status }) => role === 'replaced' && status === 'running')
    .toSorted((a, b) => (a.generation ?? 0) - (b.generation ?? 0))[0];
  return oldest !== undefined && (oldest.generation ?? 0) < Math.max(...releases) ? oldest : undefined;
}
