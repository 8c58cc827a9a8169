/** The command line of the proxy benchmark. */
import { parseArgs } from 'node:util';
import { CASES } from './cases.ts';
import { PEERS, STICKY_PEER } from './peers.ts';

export interface BenchOptions {
  readonly cases: readonly string[];
  /** Empty: those that each case takes by itself. */
  readonly peers: readonly string[];
  readonly rounds: number;
  /** Length of one measurement. */
  readonly seconds: number;
  /** How many requests the memory case sends. */
  readonly memoryRequests: number;
  /** Requests that a peer on Node is warmed up with in each case, so that its code is compiled. */
  readonly warmRequests: number;
  readonly warmSeconds: number;
  /** Whether the results and their report are written. */
  readonly write: boolean;
  /** Every request has ringlb's sticky cookie, and ringlb takes part with --sticky as well. */
  readonly sticky: boolean;
  /** Entry file of ringlb, relative to the project. */
  readonly ringlb: string;
}

export const HELP = `npm run bench:proxy -- [options]
  --only small,64k     cases: ${CASES.map((each) => each.name).join(', ')}
  --peers ringlb,nginx peers: ${PEERS.map((each) => each.name)
    .filter((name) => name !== STICKY_PEER)
    .join(', ')}
  --rounds 5           how often each peer is measured, in turn
  --seconds 1          length of one measurement
  --ringlb FILE        entry file of ringlb (dist/lib/main.js, which npm run bench:proxy builds)
  --quick              one short round of ringlb, nginx, haproxy and http-proxy, to see that all works
  --sticky             every request has a cookie, which ringlb-sticky follows and ringlb passes on
  --write, --no-write  whether bench/results is written (not with --quick, --peers or --sticky)
`;

const QUICK_PEERS = ['ringlb', 'nginx', 'haproxy', 'http-proxy'];

function namesOf(text: string | undefined, known: readonly string[], what: string): string[] {
  const names = text === undefined ? [] : text.split(',').map((name) => name.trim());
  for (const name of names) {
    if (!known.includes(name)) throw new Error(`no ${what} '${name}'; there are ${known.join(', ')}`);
  }
  return names;
}

function positive(text: string | undefined, whole: boolean, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value) || (whole && !Number.isInteger(value))) {
    throw new Error(`'${text}' must be a ${whole ? 'whole ' : ''}number above zero`);
  }
  return value;
}

/** Reads the command line; undefined when help was asked for, throws what is wrong with it. */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    allowNegative: true,
    options: {
      only: { type: 'string' },
      peers: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      ringlb: { type: 'string', default: 'dist/lib/main.js' },
      quick: { type: 'boolean', default: false },
      sticky: { type: 'boolean', default: false },
      write: { type: 'boolean' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const { quick, sticky } = values;
  const allCases = CASES.map((each) => each.name);
  const cases = namesOf(values.only, allCases, 'case');
  const peers = namesOf(
    values.peers,
    PEERS.map((each) => each.name).filter((name) => name !== STICKY_PEER),
    'peer',
  );
  const standard = peers.length === 0 && quick ? QUICK_PEERS : peers;
  return {
    cases: cases.length > 0 ? allCases.filter((name) => cases.includes(name)) : allCases,
    peers: sticky ? [...(peers.length === 0 ? ['ringlb'] : peers), STICKY_PEER] : standard,
    sticky,
    rounds: positive(values.rounds, true, quick ? 1 : 5),
    seconds: positive(values.seconds, false, quick ? 0.8 : 1),
    memoryRequests: quick ? 100_000 : 1_000_000,
    warmRequests: quick ? 10_000 : 30_000,
    warmSeconds: quick ? 1 : 2,
    write: values.write ?? !(quick || sticky || peers.length > 0),
    ringlb: values.ringlb,
  };
}
