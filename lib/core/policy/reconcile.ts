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
}

const RANKS = { current: 0, next: 2, replaced: 4, removed: 6 } as const;

/**
 * Reads from what exists what an earlier balancer's fleet was, in the order of ids: every name that has a current
 * instance, running or dead, or one that was being replaced. Instances that no replica needs are in `rest`.
 */
export function findFleet<I extends Observed & { readonly id: number }>(
  observed: readonly I[],
): { readonly places: readonly Found<I>[]; readonly rest: readonly I[] } {
  const places = new Map<string, Found<I>>();
  const rest: I[] = [];
  const succeeded = new Set(observed.map(({ instead }) => instead));
  // best first: a running current instance, a dead one, one that was about to take over, one that was being replaced
  const rank = (one: I): number => RANKS[one.role] + (one.status === 'dead' ? 1 : 0);
  for (const one of [...observed].sort((a, b) => rank(a) - rank(b))) {
    const isGone = one.role === 'removed' || (one.role === 'next' && one.status === 'dead');
    const isNeeded = !isGone && !places.has(one.name) && !succeeded.has(one.instanceId);
    if (isNeeded) {
      const inPlace = one.role !== 'replaced';
      places.set(one.name, {
        name: one.name,
        id: one.id,
        running: inPlace && one.status === 'running' ? one : undefined,
        dead: inPlace && one.status === 'dead' ? one : undefined,
      });
    }
    if (!isNeeded || one.role === 'replaced') rest.push(one);
  }
  return { places: [...places.values()].sort((a, b) => a.id - b.id), rest };
}
