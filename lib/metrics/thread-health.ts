/**
 * Measures the thread that it runs on: how late its timers fire, how busy its event loop is, garbage collection,
 * heap.
 * Its own cost is some microseconds a second.
 */
import { constants, type PerformanceEntry, PerformanceObserver, performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { Clock, Timer } from '../platform/clock.ts';
import type { GcKind } from './layout.ts';
import type { ThreadRecorder } from './thread-recorder.ts';

/** Between two samples of timer delay. */
const SAMPLE_MS = 20;
/** Heap and activity are read once in this many samples. */
const SAMPLES_PER_READ = 25;

const GC_KIND: ReadonlyMap<number | undefined, GcKind> = new Map([
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
]);

/**
 * It has a timer of its own and does not use `monitorEventLoopDelay`, which includes its own resolution in every
 * value, loses the sample after each `reset`, and has no buckets that could be summed over threads.
 * `nodejs_eventloop_lag` of prom-client has both faults.
 */
export class ThreadHealth {
  readonly #recorder: ThreadRecorder;
  readonly #clock: Clock;
  readonly #collections: PerformanceObserver;
  #timer: Timer | undefined;
  #samples = 0;
  /** Holds fractions, so it begins as a double (`-0`): a whole number would deoptimize the class at the first of them. */
  #activeMs = -0;

  /** Starts measuring at once. */
  constructor(recorder: ThreadRecorder, clock: Clock) {
    this.#recorder = recorder;
    this.#clock = clock;
    this.#collections = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) this.#collected(entry);
    });
    this.#collections.observe({ entryTypes: ['gc'] });
    this.#readThread();
    this.#sample();
  }

  close(): void {
    this.#timer?.cancel();
    this.#collections.disconnect();
  }

  #sample(): void {
    const dueMs = this.#clock.nowMs() + SAMPLE_MS;
    this.#timer = this.#clock.after(SAMPLE_MS, () => {
      this.#recorder.loopDelay(Math.max(0, this.#clock.nowMs() - dueMs));
      this.#samples = (this.#samples + 1) % SAMPLES_PER_READ;
      if (this.#samples === 0) this.#readThread();
      this.#sample();
    });
  }

  #readThread(): void {
    const { active } = performance.eventLoopUtilization();
    this.#recorder.active(active - this.#activeMs);
    this.#activeMs = active;
    const heap = getHeapStatistics();
    this.#recorder.heap(heap.used_heap_size, heap.total_heap_size, heap.external_memory);
  }

  #collected(entry: PerformanceEntry & { readonly detail?: { readonly kind?: number } }): void {
    const kind = GC_KIND.get(entry.detail?.kind);
    if (kind !== undefined) this.#recorder.gc(kind, entry.duration);
  }
}
