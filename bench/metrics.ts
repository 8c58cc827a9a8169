/**
 * What counting costs a request: everything that a small answered request counts, and the reading of the clock; and
 * what a scrape costs the main thread. Run: npm run bench:metrics.
 */
import { Exposer } from '../lib/metrics/exposition.ts';
import { familiesOf } from '../lib/metrics/families.ts';
import { FleetCounts } from '../lib/metrics/fleet-counts.ts';
import { MetricsReader } from '../lib/metrics/reader.ts';
import { type EndedRequest, Recorder } from '../lib/metrics/recorder.ts';

const ORDINALS = 64;
const ROUNDS = 5;
const REQUESTS = 2_000_000;

const reader = new MetricsReader({ ordinals: ORDINALS, workers: 2 }, () => performance.now());
const recorder = new Recorder(reader.memory, { ordinals: ORDINALS, workers: 2 }, 0);

/** As `proxy/exchange/request-record.ts` does it. */
function request(number: number): void {
  const startMs = performance.now();
  const ordinal = number % ORDINALS;
  recorder.sent(ordinal, true);
  const firstByteMs = performance.now() - startMs;
  const ended: EndedRequest = {
    respondedBy: ordinal,
    status: 200,
    totalMs: firstByteMs,
    firstByteMs,
    bytesIn: 120,
    bytesOut: 240,
    ended: 'whole',
  };
  recorder.request(ended);
}

/** CPU time, which other programs do not disturb. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function nsEach(count: number, run: (number: number) => void): number {
  const startMs = cpuMs();
  for (let number = 0; number < count; number++) run(number);
  return ((cpuMs() - startMs) * 1e6) / count;
}

const names = Array.from({ length: ORDINALS }, (_, index) => `S${index + 1}`);
const replicas = names.map((name) => ({
  name,
  state: 'healthy' as const,
  inFlight: 3,
  slots: 1024,
  share: 1 / 64,
}));
const fleet = new FleetCounts();
const exposer = new Exposer();
reader.follow(names.map((name, ordinal) => ({ name, ordinal })));

async function scrape(): Promise<number> {
  const startMs = cpuMs();
  const levels = {
    eligible: ORDINALS,
    logDropped: 0,
    detail: 'full' as const,
    hasRemoved: false,
    waiting: 0,
    tableVersion: 1,
    fastPath: true,
    imbalance: 1,
  };
  const { text } = await exposer.expose(
    familiesOf({ replicas, counts: reader.read(names), fleet, ...levels }),
    '',
  );
  if (text.length < 100_000) throw new Error('that was not everything');
  return cpuMs() - startMs;
}

const scrapesMs: number[] = [];
for (let round = 1; round <= ROUNDS; round++) {
  const all = nsEach(REQUESTS, request);
  const clock = 2 * nsEach(REQUESTS, () => performance.now());
  process.stdout.write(
    `round ${round}: ${all.toFixed(0)} ns a request, ${clock.toFixed(0)} ns of it twice the clock\n`,
  );
  for (let times = 0; times < 10; times++) scrapesMs.push(await scrape());
}
scrapesMs.sort((a, b) => a - b);
const [least, median] = [scrapesMs[0]!, scrapesMs[scrapesMs.length >> 1]!];
process.stdout.write(
  `a scrape of ${ORDINALS} replicas: least ${least.toFixed(1)} ms, median ${median.toFixed(1)} ms\n`,
);
