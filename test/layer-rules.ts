/**
 * The direction of imports in lib, as rules over its files: each gives a sentence for every line that breaks it.
 * A file is known by its path below lib (`core/hashing/hash.ts`). Must not hold: reading files.
 */
import { posix } from 'node:path';

/** The text of every file, by its path. */
export type Sources = ReadonlyMap<string, string>;

interface Import {
  readonly from: string;
  /** As it is written: `../errors.ts`, `node:fs`, `dockerode`. */
  readonly what: string;
  /** The path below lib, or undefined for what is not a file of lib. */
  readonly file: string | undefined;
  /** True where the whole line vanishes with the types. */
  readonly isType: boolean;
}

/** One rule: what breaks it, in sentences. */
export type Rule = (sources: Sources) => readonly string[];

const LINE =
  /^(?:import|export)\s+(?:(type)\s+)?(?:[\w$]+\s*,?\s*)?(?:\*(?:\s*as\s+\w+)?|\{[^}]*\})?\s*(?:from\s*)?['"]([^'"]+)['"]/gm;
const CALL = /\b(?:import|require)\s*\(\s*['"]([^'"]+)['"]/g;

function importsOf(from: string, source: string): readonly Import[] {
  const found = (what: string, isType: boolean): Import => {
    const isRelative = what.startsWith('.');
    return { from, what, isType, file: isRelative ? posix.join(posix.dirname(from), what) : undefined };
  };
  return [
    ...[...source.matchAll(LINE)].map((match) => found(match[2] ?? '', match[1] !== undefined)),
    ...[...source.matchAll(CALL)].map((match) => found(match[1] ?? '', false)),
  ];
}

function allImports(sources: Sources): readonly Import[] {
  return [...sources].flatMap(([path, source]) => importsOf(path, source));
}

/** What a layer may import beside itself: the folders of lib, and the driver's type as a layer of its own. */
const BELOW = {
  main: ['compose'],
  compose: [
    'acme',
    'cli',
    'admin',
    'proxy',
    'fleet',
    'drivers',
    'driver',
    'access-log',
    'metrics',
    'config',
    'api',
    'core',
    'platform',
  ],
  acme: ['platform'],
  cli: ['config', 'api', 'core', 'platform'],
  admin: ['driver', 'config', 'api', 'core', 'platform'],
  proxy: ['http1', 'access-log', 'metrics', 'config', 'api', 'core', 'platform'],
  fleet: ['http1', 'driver', 'config', 'api', 'core', 'platform'],
  drivers: ['driver', 'core', 'platform'],
  'access-log': ['metrics', 'core', 'platform'],
  metrics: ['config', 'core', 'platform'],
  config: ['driver', 'core', 'platform'],
  api: ['core'],
  driver: ['core', 'platform'],
  http1: ['core', 'platform'],
  platform: ['core'],
  core: [],
} as const satisfies Record<string, readonly string[]>;

type Layer = keyof typeof BELOW;

function layerOf(path: string): Layer {
  if (path === 'main.ts') return 'main';
  if (path === 'drivers/driver.ts') return 'driver';
  const [folder = ''] = path.split('/');
  if (folder in BELOW && folder !== path) return folder as Layer;
  throw new Error(`${path} is in no layer: name its folder in BELOW`);
}

export const arrowsPointDown: Rule = (sources) =>
  allImports(sources).flatMap(({ from, what, file }) => {
    if (file === undefined || file.startsWith('..')) return [];
    const [upper, lower] = [layerOf(from), layerOf(file)];
    const isAllowed = upper === lower || (BELOW[upper] as readonly Layer[]).includes(lower);
    return isAllowed ? [] : [`${from} imports ${what}: ${upper} may not import ${lower}`];
  });

export const coreImportsOnlyCore: Rule = (sources) =>
  allImports(sources)
    .filter(({ from, file }) => layerOf(from) === 'core' && !file?.startsWith('core/'))
    .map(({ from, what }) => `${from} imports ${what}: core may import only core`);

export const onlyComposeKnowsConcreteDrivers: Rule = (sources) =>
  allImports(sources)
    .filter(
      ({ from, file }) =>
        file !== undefined &&
        !file.startsWith('..') &&
        layerOf(file) === 'drivers' &&
        !/^(compose|drivers)\//.test(from),
    )
    .map(({ from, what }) => `${from} imports ${what}: only compose may import a concrete driver`);

export const driverIsATypeOnly: Rule = (sources) =>
  allImports(sources)
    .filter(({ file, isType }) => file === 'drivers/driver.ts' && !isType)
    .map(({ from, what }) => `${from} imports ${what}: write import type`);

/** An ES import of it loads more than the rest of a thread: see `platform/node/http.ts`. */
export const httpIsNotImported: Rule = (sources) =>
  allImports(sources)
    .filter(({ what, isType }) => what === 'node:http' && !isType)
    .map(({ from, what }) => `${from} imports ${what}: take it from platform/node/http.ts`);

/** Packages that one file alone wraps. */
const WRAPPED: Readonly<Record<string, string>> = {
  dockerode: 'drivers/docker/api.ts',
  pino: 'platform/log.ts',
  'pino-pretty': 'platform/log.ts',
  'prom-client': 'metrics/exposition.ts',
};

export const packagesAreWrapped: Rule = (sources) =>
  allImports(sources)
    .filter(({ from, what }) => (WRAPPED[what] ?? from) !== from)
    .map(({ from, what }) => `${from} imports ${what}: only ${WRAPPED[what]} may`);

export const nothingOutsideLib: Rule = (sources) =>
  allImports(sources)
    .filter(({ file }) => file?.startsWith('..'))
    .map(({ from, what }) => `${from} imports ${what}: it is outside lib`);

/** Every cycle of imports, types included, named once from its first file. */
export const noCycles: Rule = (sources) => {
  const targets = new Map<string, readonly string[]>();
  for (const [path, source] of sources) {
    targets.set(
      path,
      importsOf(path, source).flatMap(({ file }) => (file === undefined ? [] : [file])),
    );
  }
  const cycles = new Set<string>();
  const done = new Set<string>();
  const walk = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      const cycle = trail.slice(trail.indexOf(path));
      const first = cycle.indexOf(cycle.toSorted()[0] ?? '');
      const turned = [...cycle.slice(first), ...cycle.slice(0, first)];
      cycles.add([...turned, turned[0]].join(' → '));
      return;
    }
    if (done.has(path)) return;
    for (const next of targets.get(path) ?? []) walk(next, [...trail, path]);
    done.add(path);
  };
  for (const path of sources.keys()) walk(path, []);
  return [...cycles];
};

const IMPURE =
  /(?<![.\w$])(?:(?:process|performance|console|globalThis|crypto|setTimeout|setInterval|setImmediate|queueMicrotask|fetch)\s*(?:\.|\(|\[)|Math\.random\b|Date\b)/;
const COMMENT_OR_TEXT = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g;

/** Each line of the code in which `pattern` is found, comments and strings aside. */
function usesOf(pattern: RegExp, path: string, source: string, why: string): readonly string[] {
  // line ends stay, so that the numbers are right
  const code = source.replace(COMMENT_OR_TEXT, (text) => text.replace(/[^\n]/g, ' '));
  return code.split('\n').flatMap((line, index) => {
    const word = pattern.exec(line)?.[0].trim();
    return word === undefined ? [] : [`${path}:${index + 1} uses ${word}: ${why}`];
  });
}

export const coreIsPure: Rule = (sources) =>
  [...sources].flatMap(([path, source]) =>
    layerOf(path) === 'core' ? usesOf(IMPURE, path, source, 'core has no clock, chance or surroundings') : [],
  );

const INTERNALS = 'proxy/io/node-internals.ts';
/** A field with an underscore, read or destructured, or a symbol found by its description. The hooks of streams are public. */
const PRIVATE_NAME =
  /\._(?!(?:read|write|writev|final|destroy)\b)\w+|\{[^{}]*\b_\w+[^{}]*\} =|\b(?:getOwnPropertySymbols|process\.binding)\b/;

export const privateNamesAreInOneFile: Rule = (sources) =>
  [...sources].flatMap(([path, source]) =>
    path === INTERNALS
      ? []
      : usesOf(PRIVATE_NAME, path, source, `only ${INTERNALS} uses private names of Node.js`),
  );

/** Room for a person to see what a folder holds, and what a file does. */
const MOST_FILES = 14;
const MOST_LINES = 350;

/** `paths` are of every file below lib, those that are no TypeScript included. */
export function foldersWithTooMany(paths: readonly string[]): readonly string[] {
  const folders = Map.groupBy(paths, (path) => posix.dirname(path));
  return [...folders]
    .filter(([, files]) => files.length > MOST_FILES)
    .map(([folder, files]) => `${folder} has ${files.length} files, and may have ${MOST_FILES}`);
}

/** Public members of a class at most. */
const MAX_MEMBERS = 20;
/** The beginning of a public field, accessor or method, in the formatter's indentation. */
const MEMBER =
  /^ {2}(?:(?:readonly|get|set|async|static|override|abstract) )*(?!\w+ #)([a-zA-Z]\w*)[(:<?=! ;]/;
/** The last two are of a head in several lines. */
const NO_MEMBER = new Set(['private', 'protected', 'constructor', 'return', 'extends', 'implements']);

/** A class with more has more than one role. An accessor pair counts as two. */
export const classesAreSmall: Rule = (sources) =>
  [...sources].flatMap(([path, source]) =>
    [...source.matchAll(/^(?:export )?(?:abstract )?class (\w+)[^\n]*\n([\s\S]*?)^\}/gm)].flatMap(
      ([, name, body]) => {
        const members = body!
          .split('\n')
          .filter((line) => !NO_MEMBER.has(MEMBER.exec(line)?.[1] ?? 'private'));
        const count = members.length;
        return count > MAX_MEMBERS
          ? [`${path}: ${name} has ${count} public members, and may have ${MAX_MEMBERS}`]
          : [];
      },
    ),
  );

export const filesAreShort: Rule = (sources) =>
  [...sources].flatMap(([path, source]) => {
    const lines = source.split('\n').length - 1;
    return lines > MOST_LINES ? [`${path} has ${lines} lines, and may have ${MOST_LINES}`] : [];
  });
