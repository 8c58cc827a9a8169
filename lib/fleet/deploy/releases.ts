/**
 * Which version each replica runs: releases with rising numbers, the one that new replicas get, and that of each name.
 * Invariant: a replica keeps its release, also when it is healed, until a deploy gives it another.
 */
import type { Pair, ReplicaSpec, SpecOverrides } from '../../core/replica-spec.ts';
import type { StartedWith } from '../../drivers/driver.ts';

/** What a generation of instances is started with. */
export interface Release {
  /** From 1, rising with every deploy. */
  readonly generation: number;
  /** The options as they are now, with what deploys have set in their place. */
  readonly spec: ReplicaSpec;
  readonly overrides: SpecOverrides;
  /** The image or command, for people. */
  readonly title: string;
}

export class Releases {
  readonly #byName = new Map<string, Release>();
  /** Releases of an earlier balancer, by all that they are. */
  readonly #adopted = new Map<string, Release>();
  /** What the options say. */
  #configured: ReplicaSpec;
  /** What they said at first. */
  readonly #original: ReplicaSpec;
  #current: Release;
  #before: Release | undefined;
  #latest: number;

  constructor({ generation, spec, title }: Omit<Release, 'overrides'>) {
    this.#configured = spec;
    this.#original = spec;
    this.#latest = generation;
    this.#current = this.#release(generation, {}, title);
  }

  /** Gives the release of the options its name, before anything is started with it. */
  nameFirst(title: string): void {
    this.#current = this.#release(this.#current.generation, this.#current.overrides, title);
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

  /** A release of the generation; undefined where none is known. */
  find(generation: number): Release | undefined {
    const known = [this.#current, this.#before, ...this.#byName.values(), ...this.#adopted.values()];
    return known.find((release) => release?.generation === generation);
  }

  /** A new replica gets the name. */
  forget(name: string): void {
    this.#byName.delete(name);
  }

  /** A release with the next number, which others get as well until it is used. */
  create(overrides: SpecOverrides, title: string): Release {
    return this.#release(this.#latest + 1, overrides, title);
  }

  /**
   * The release of an instance that an earlier balancer left. It is what that was started with, whatever the options of
   * this balancer are, until a reload changes them.
   */
  adopt(generation: number, { spec, overrides, title }: StartedWith): Release {
    const key = JSON.stringify([generation, spec, overrides, title]);
    const release = this.#adopted.get(key) ?? this.#release(generation, overrides, title, spec);
    this.#adopted.set(key, release);
    this.use(release);
    return release;
  }

  /** The number is taken: by a release, or by an instance that an earlier balancer left. */
  use({ generation }: Pick<Release, 'generation'>): void {
    this.#latest = Math.max(this.#latest, generation);
  }

  /** Starts new replicas with the release from now on. */
  makeCurrent(release: Release): void {
    if (release === this.#current) return;
    // the same started anew is no version that one would go back from
    if (!isSameVersion(release, this.#current)) this.#before = this.#current;
    this.#current = release;
  }

  /** The options have changed: every release has what no deploy has set of them from the next start on. */
  reconfigure(spec: ReplicaSpec): void {
    this.#configured = spec;
  }

  /** Takes back `makeCurrent`. */
  restore(current: Release, before: Release | undefined): void {
    this.#current = current;
    this.#before = before;
  }

  #release(generation: number, overrides: SpecOverrides, title: string, adopted?: ReplicaSpec): Release {
    const configured = (): ReplicaSpec => this.#configuredFor(adopted);
    return {
      generation,
      overrides,
      title,
      get spec() {
        return withOverrides(configured(), overrides);
      },
    };
  }

  /** The options as they are for a release; a reload that names no image leaves an adopted release its own. */
  #configuredFor(adopted: ReplicaSpec | undefined): ReplicaSpec {
    const [now, original] = [this.#configured, this.#original];
    if (adopted === undefined) return now;
    if (now === original) return adopted;
    return now.image === original.image ? { ...now, image: adopted.image } : now;
  }
}

/** True where deploys have set the same, so that one is the other with the options as they are now. */
function isSameVersion(one: Release, other: Release): boolean {
  return one.title === other.title && JSON.stringify(one.overrides) === JSON.stringify(other.overrides);
}

/** The spec with what is set in its place; variables are added to those it has. */
function withOverrides(spec: ReplicaSpec, overrides: SpecOverrides): ReplicaSpec {
  return { ...spec, ...overrides, env: mergedEnv(spec.env, overrides.env) };
}

/** The variables of both; those of `added` win. */
export function mergedEnv(env: readonly Pair[], added: readonly Pair[] = []): readonly Pair[] {
  const names = new Set(added.map(([name]) => name));
  return [...env.filter(([name]) => !names.has(name)), ...added];
}
