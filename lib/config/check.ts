/**
 * One rule between options, and what it is told of where they were given.
 */
import { type Config, type Key, OPTIONS } from './options.ts';

/**
 * Where an option was given; `program` is one that uses ringlb as a library, `socket` one that the service manager passed.
 * An environment may be shared by several balancers, all else is meant for one.
 */
export type Origin = 'flag' | 'environment' | 'file' | 'program' | 'socket';

/** Where the value of an option came from, if it was given. */
export interface Source {
  /** `--port`, `LB_PORT`, `ringlb.yaml:3:7: port`, `FileDescriptorName=port`, or `port` where a program gives it. */
  readonly name: string;
  readonly origin: Origin;
  /** As it was written; the last of several. */
  readonly text: string;
  /** Each value of a flag or a list in a file; undefined for a variable. */
  readonly items?: readonly string[];
}

export type Sources = ReadonlyMap<Key, Source>;

const flagOf = (key: Key): string => `--${OPTIONS[key].flag}`;
/** Given for this balancer alone. */
const isMeant = (source: Source | undefined): source is Source =>
  source !== undefined && source.origin !== 'environment';
export const nameOf = (key: Key, sources: Sources): string => sources.get(key)?.name ?? flagOf(key);

export interface Check {
  readonly reads: readonly Key[];
  /** The problem as a sentence, or undefined. */
  problem(config: Config, sources: Sources): string | undefined;
}

/**
 * An option that has no effect without another: `missing` says what it needs beside what it has, or undefined. In an
 * environment, which balancers with other values may share, it is let be.
 */
export function needs(
  key: Key,
  reads: readonly Key[],
  missing: (config: Config) => string | undefined,
): Check {
  return {
    reads: [key, ...reads],
    problem(config, sources) {
      if (!isMeant(sources.get(key))) return undefined;
      const what = missing(config);
      return what === undefined ? undefined : `${nameOf(key, sources)} needs ${what}`;
    },
  };
}

/** A secret, and the file that holds it: one of them is to be given. */
export function rejectsBoth(secret: Key, file: Key): Check {
  return {
    reads: [secret, file],
    problem(_, sources) {
      // one that was read from its file has a value too
      const areGiven = [secret, file].every((key) => (sources.get(key)?.text ?? '') !== '');
      return areGiven
        ? `${nameOf(secret, sources)} and ${nameOf(file, sources)} are both given; give one`
        : undefined;
    },
  };
}
