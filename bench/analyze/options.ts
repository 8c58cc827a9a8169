/** The command line of the study. */
import { parseArgs } from 'node:util';

export const EXPERIMENTS = ['a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7', 'a8'] as const;
export type ExperimentId = (typeof EXPERIMENTS)[number];

/** The first three ask a running balancer; the others need none. */
export const ONLINE: readonly ExperimentId[] = ['a1', 'a2', 'a3'];

/** Drivers that the study can start a balancer over: those whose replicas it can add and kill. */
export const STUDY_DRIVERS = ['process', 'docker'] as const;
export type StudyDriver = (typeof STUDY_DRIVERS)[number];

export interface StudyOptions {
  readonly only: readonly ExperimentId[];
  readonly driver: StudyDriver;
  readonly requests: number;
  readonly concurrency: number;
  readonly seed: number;
  /** are repeated with so many seeds, the first of which is `seed`. */
  readonly seeds: number;
  /** A balancer that runs already, and its admin port; undefined where the study starts its own. */
  readonly url: URL | undefined;
  readonly adminUrl: URL | undefined;
  readonly adminToken: string;
}

export const HELP = `npm run analyze -- [options]
  --only a1,a4         experiments: ${EXPERIMENTS.join(', ')}
  --driver process     what the replicas are: ${STUDY_DRIVERS.join(' or ')} (docker needs the image of \`make build\`)
  --requests 10000     requests of A-1, and of each fleet size of A-2
  --concurrency 64     how many of them are under way at a time
  --seed 1             decides the request ids and every random draw
  --seeds 1            repeats A-1 and A-2 with so many seeds, for error bars
  --url http://…:5000  a balancer that already runs; it is resized, its replicas are killed, and it is
                       given back the replicas it had
  --admin-url http://… its admin port (default: port 5001 of the same host)
  --admin-token TOKEN  its token, where it has one (or LB_ADMIN_TOKEN)
Writes analysis/report.html, analysis/report.md, analysis/results.json, and each figure as SVG with its data as CSV.
`;

/** What is wrong with the command line, every problem at once. */
export class UsageError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

interface Limits {
  readonly from: number;
  readonly to: number;
  readonly fallback: number;
}

/** Reads values one after another and keeps what is wrong with them. */
class Reader {
  readonly problems: string[] = [];

  whole(name: string, text: string | undefined, { from, to, fallback }: Limits): number {
    if (text === undefined) return fallback;
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= from && value <= to) return value;
    this.problems.push(`--${name} must be a whole number from ${from} to ${to}, not "${text}"`);
    return fallback;
  }

  oneOf<T extends string>(name: string, text: string, known: readonly T[]): T {
    const found = known.find((each) => each === text);
    if (found === undefined) this.problems.push(`--${name} must be ${known.join(' or ')}, not "${text}"`);
    return found ?? known[0]!;
  }

  experiments(text: string | undefined): readonly ExperimentId[] {
    if (text === undefined) return EXPERIMENTS;
    const names = text.split(',').map((name) => name.trim().toLowerCase().replace('-', ''));
    const unknown = names.filter((name) => !EXPERIMENTS.some((each) => each === name));
    if (unknown.length > 0)
      this.problems.push(`--only knows ${EXPERIMENTS.join(', ')}, not "${unknown.join('", "')}"`);
    return EXPERIMENTS.filter((each) => names.includes(each));
  }

  url(name: string, text: string | undefined): URL | undefined {
    if (text === undefined) return undefined;
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url?.protocol === 'http:' && url.pathname === '/' && url.search === '') return url;
    this.problems.push(`--${name} must be like http://localhost:5000, not "${text}"`);
    return undefined;
  }
}

function read(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        only: text,
        driver: { ...text, default: STUDY_DRIVERS[0] },
        requests: text,
        concurrency: text,
        seed: text,
        seeds: text,
        url: text,
        'admin-url': text,
        'admin-token': text,
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError([(error as Error).message]);
  }
}

/** Reads the command line; undefined where help was asked for; throws UsageError. */
export function parseOptions(
  args: readonly string[],
  env: Readonly<NodeJS.ProcessEnv> = {},
): StudyOptions | undefined {
  const values = read(args);
  if (values.help) return undefined;
  const reader = new Reader();
  const url = reader.url('url', values.url);
  const adminUrl = reader.url('admin-url', values['admin-url']);
  if (adminUrl !== undefined && values.url === undefined)
    reader.problems.push('--admin-url needs --url: the study knows the admin port of its own balancer');
  const options = {
    only: reader.experiments(values.only),
    driver: reader.oneOf('driver', values.driver, STUDY_DRIVERS),
    requests: reader.whole('requests', values.requests, { from: 100, to: 1_000_000, fallback: 10_000 }),
    concurrency: reader.whole('concurrency', values.concurrency, { from: 1, to: 1024, fallback: 64 }),
    seed: reader.whole('seed', values.seed, { from: 0, to: 0xffffffff, fallback: 1 }),
    seeds: reader.whole('seeds', values.seeds, { from: 1, to: 100, fallback: 1 }),
    url,
    adminUrl: adminUrl ?? (url && new URL(`http://${url.hostname}:5001`)),
    adminToken: values['admin-token'] ?? env.LB_ADMIN_TOKEN ?? '',
  };
  if (reader.problems.length > 0) throw new UsageError(reader.problems);
  return options;
}
