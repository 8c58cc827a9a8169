/**
 * What counting costs a request: everything that a small answered request counts, and the reading of the clock.
 * Run: npm run bench:metrics. Must not hold: the proxy itself (`proxy.ts`).
 */
import { MetricsReader } from '../lib/metrics/reader.ts';
import { type EndedRequest, Recorder } from '../lib/metrics/recorder.ts';

const ORDINALS = 64;
const ROUNDS = 5;
const REQUESTS = 2_000_000;

const reader = new MetricsReader({ ordinals: ORDINALS, workers: 2 }, () => performance.now());
const recorder = new Recorder(reader.memory, { ordinals: ORDINALS, workers: 2 }, 0);

/** As `proxy/outcome.ts` does it. */
function request(number: number): void {
  const startMs = performance.now();
  const ordinal = number % ORDINALS;
  recorder.sent(ordinal, true);
  const firstByteMs = performance.now() - startMs;
  const ended: EndedRequest = {
    answeredBy: ordinal,
    status: 200,
    totalMs: performance.now() - startMs,
    firstByteMs,
    bytesIn: 120,
    bytesOut: 240,
    ended: 'whole',
  };
  recorder.request(ended);
}

function nsEach(count: number, run: (number: number) => void): number {
  const startMs = performance.now();
  for (let number = 0; number < count; number++) run(number);
  return ((performance.now() - startMs) * 1e6) / count;
}

const names = Array.from({ length: ORDINALS }, (_, index) => `S${index + 1}`);
reader.follow(names.map((name, ordinal) => ({ name, ordinal })));
for (let round = 1; round <= ROUNDS; round++) {
  const all = nsEach(REQUESTS, request);
  const clock = 3 * nsEach(REQUESTS, () => performance.now());
  const read = nsEach(50, () => reader.read(names)) / 1e6;
  process.stdout.write(
    `round ${round}: ${all.toFixed(0)} ns a request, ${clock.toFixed(0)} ns of it three times the clock; ` +
      `a snapshot of ${ORDINALS} replicas ${read.toFixed(2)} ms\n`,
  );
}
