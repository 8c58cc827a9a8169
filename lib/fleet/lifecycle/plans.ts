/**
 * Decides and checks what a change of the fleet would be, and changes nothing: `/add`, `/rm` and `/scale` carry a plan
 * out, a dry run shows it.
 */
import { lowestFree, type Place } from '../../core/replica.ts';
import type { Driver } from '../../drivers/driver.ts';
import { BalancerError } from '../../platform/errors.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';

export interface PlanParts {
  readonly registry: Registry;
  /** What runs the instances; servers that others run cannot be added or removed here. */
  readonly driver: Pick<Driver, 'kind' | 'ownsInstances' | 'isShared'>;
  /** Names a replica for which none was given, unlike any of `taken`. */
  readonly chooseName: (taken: ReadonlySet<string>) => string;
  readonly maxReplicas: number;
  /** More than there are may be removed: all of them, as in the textbook system. */
  readonly classic: boolean;
}

export class Plans {
  readonly #parts: PlanParts;
  /** Names held by things that are not ours; not chosen again. */
  readonly #heldNames = new Set<string>();

  constructor(parts: PlanParts) {
    this.#parts = parts;
  }

  /** Something that is not ours holds the name: it will not be chosen. */
  avoidName(name: string): void {
    this.#heldNames.add(name);
  }

  /** A name that no replica has, draining ones included, and nothing else is known to hold. */
  chooseFreeName(more: readonly string[] = []): string {
    const { registry, chooseName } = this.#parts;
    const ours = [...registry.replicas, ...registry.leaving].map((replica) => replica.name);
    return chooseName(new Set([...ours, ...more, ...this.#heldNames]));
  }

  /** The places that `count` new replicas would get, the first of them called `names`. Throws `bad-request`. */
  planAdd(count: number, names: readonly string[]): readonly Place[] {
    const { registry, maxReplicas } = this.#parts;
    this.#mustOwn();
    const present = registry.replicas.length;
    if (present + count > maxReplicas)
      throw new BalancerError(
        'bad-request',
        `n is ${count}, but with ${present} replicas at most ${maxReplicas - present} more fit under max-replicas ${maxReplicas}`,
      );
    const taken = names.filter((name) => registry.find(name) !== undefined);
    if (taken.length > 0)
      throw new BalancerError('bad-request', `there is a replica called ${listed(taken)} already`);
    if (count > registry.freeOrdinals)
      throw new BalancerError('bad-request', 'Too many removed replicas are still draining');
    const chosen = [...names];
    while (chosen.length < count) chosen.push(this.chooseFreeName(chosen));
    const ids = new Set(registry.replicas.map((replica) => replica.id));
    return chosen.map((name) => {
      const id = lowestFree(ids);
      ids.add(id);
      return { name, id };
    });
  }

  /**
   * The replicas that would go: `names`, and as many more as make `n`, with the least to lose. Throws
   * `bad-request`, also where only replicas would be left that an operator keeps requests away from.
   */
  planRemove(n: number, names: readonly string[]): readonly Replica[] {
    const { registry, classic, driver } = this.#parts;
    this.#mustOwn();
    const { members } = registry;
    const isShared = driver.isShared === true;
    if (n > members.length && !classic)
      throw new BalancerError('bad-request', `n is ${n}, but there are only ${members.length} replicas`);
    const count = Math.min(n, members.length);
    const named = this.findMembers(names);
    // of those with the same in flight what serves nobody goes, then the youngest: its caches are the coldest
    const others = members
      .filter((replica) => !named.includes(replica))
      .reverse()
      .sort(
        (a, b) =>
          // another balancer may not have told its caller yet that it has added one that was never healthy here
          (isShared ? Number(isNew(a)) - Number(isNew(b)) : 0) ||
          Number(isKeptFree(b)) - Number(isKeptFree(a)) ||
          registry.states.inFlightOf(a) - registry.states.inFlightOf(b) ||
          Number(a.state === 'healthy') - Number(b.state === 'healthy'),
      );
    const leaving = [...named, ...others.slice(0, count - named.length)];
    const staying = members.filter((replica) => !leaving.includes(replica));
    if (staying.length > 0 && staying.every(isKeptFree)) {
      const remedy = staying.some(({ weight }) => weight > 0) ? 'is undrained' : 'has a weight above 0';
      throw new BalancerError(
        'bad-request',
        `only ${listed(staying.map(({ name }) => name))} would be left, and no request goes there until it ${remedy}`,
      );
    }
    return leaving;
  }

  /** What would make it `n` members; both lists are empty where it is so already. Throws as `add` and `remove`. */
  planScale(n: number): { readonly added: readonly Place[]; readonly removed: readonly Replica[] } {
    const { registry, maxReplicas } = this.#parts;
    this.#mustOwn();
    if (n > maxReplicas)
      throw new BalancerError('bad-request', `n is ${n}, but max-replicas is ${maxReplicas}`);
    const more = n - registry.members.length;
    return {
      added: more > 0 ? this.planAdd(more, []) : [],
      removed: more < 0 ? this.planRemove(-more, []) : [],
    };
  }

  /** The members with these names, in the order of the ring. Throws `bad-request` where one is not there. */
  findMembers(names: readonly string[]): readonly Replica[] {
    const { members } = this.#parts.registry;
    const unknown = names.filter((name) => !members.some((replica) => replica.name === name));
    if (unknown.length > 0)
      throw new BalancerError('bad-request', `there is no replica called ${listed(unknown)}`);
    return members.filter((replica) => names.includes(replica.name));
  }

  #mustOwn(): void {
    const { kind, ownsInstances } = this.#parts.driver;
    if (ownsInstances) return;
    throw new BalancerError(
      'bad-request',
      kind === 'discover'
        ? 'the servers are those that the sources list (driver discover); change them there'
        : 'the servers are a fixed list (driver static); change --upstreams and start again',
    );
  }
}

/** An operator keeps new requests away from it: it is drained, or has no weight. */
function isKeptFree({ isDraining, weight }: Replica): boolean {
  return isDraining || weight === 0;
}

/** True until its first instance has become healthy. */
function isNew({ firstHealthyMs, restarts }: Replica): boolean {
  return firstHealthyMs === undefined && restarts === 0;
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ');
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}
