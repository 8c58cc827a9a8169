/**
 * Which version each replica runs: releases with rising numbers, the one that new replicas get, and that of each name.
 * Invariant: a replica keeps its release, also when it is healed, until a deploy gives it another.
 */
import type { ReplicaSpec } from '../../core/replica-spec.ts';

/** What a generation of instances is started with. */
export interface Release {
  /** From 1, rising with every deploy. */
  readonly generation: number;
  readonly spec: ReplicaSpec;
  /** The image or command, for people. */
  readonly title: string;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class Releases {
  readonly #byName = new Map<string, Release>();
  #current: Release;
  #before: Release | undefined;
  #latest: number;

  constructor(first: Release) {
    this.#current = first;
    this.#latest = first.generation;
  }

  /** What new replicas are started with. */
  get current(): Release {
    return this.#current;
  }

  /** What was current before; undefined where nothing was deployed. */
  get before(): Release | undefined {
    return this.#before;
  }

  /** The release of the replica; one that has none yet gets the current one, for good. */
  of(name: string): Release {
    const known = this.#byName.get(name) ?? this.#current;
    this.#byName.set(name, known);
    return known;
  }

  set(name: string, release: Release): void {
    this.#byName.set(name, release);
    this.use(release);
  }

  /** A new replica gets the name. */
  forget(name: string): void {
    this.#byName.delete(name);
  }

  /** A release of the spec under the next number, which others get as well until it is used. */
  create(spec: ReplicaSpec, title: string): Release {
    return { generation: this.#latest + 1, spec, title };
  }

  /** The number is taken: by a release, or by an instance that an earlier balancer left. */
  use({ generation }: Pick<Release, 'generation'>): void {
    this.#latest = Math.max(this.#latest, generation);
  }

  /** Starts new replicas with the release from now on. */
  makeCurrent(release: Release): void {
    if (release === this.#current) return;
    this.#before = this.#current;
    this.#current = release;
  }

  /** The options have changed: what no deploy has set is different from the next start on. */
  reconfigure(spec: ReplicaSpec): void {
    for (const release of new Set([this.#current, this.#before, ...this.#byName.values()])) {
      if (release === undefined) continue;
      const { image, args, command, env } = release.spec;
      const isDeployed = release.generation > 1;
      (release as Mutable<Release>).spec = isDeployed ? { ...spec, image, args, command, env } : spec;
    }
  }

  /** Takes back `makeCurrent`. */
  restore(current: Release, before: Release | undefined): void {
    this.#current = current;
    this.#before = before;
  }
}
