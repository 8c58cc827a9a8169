/**
 * Time limits of requests under way. A request has one deadline, by the worker's coarse clock, which is checked ten times
 * a second; what it is for depends on the phase that the request is in.
 * Invariant: a step that throws fails its own request alone, since it may be called in the middle of another's.
 */

import { Listed, UnorderedList } from '../unordered-list.ts';
import { OpenTunnels } from './tunnel.ts';

/** How much later a request ends itself when what else watches a phase, such as the connection pool, has failed to. */
export const LAST_RESORT_MS = 1000;

/** Longer than the control plane takes to judge a request. */
export const VERDICT_MS = 2000;

/** What a request is waiting for; each but the first and the last has a time limit. */
export type Phase =
  | 'new'
  | 'queued'
  | 'connecting'
  | 'sending'
  | 'awaiting-response'
  | 'awaiting-verdict'
  | 'responding'
  | 'tunnel'
  | 'done';

/** A request under way, as the list of all of them sees it. */
export interface TimedRequest extends Listed {
  readonly deadlineMs: number;
  /** `deadlineMs` has passed. */
  onDeadline(): void;
  /** What may have to be checked once a second. */
  readonly body: { checkPeers(nowMs: number): void } | undefined;
  /** The replica that holds it, below 0 for none, and the hash of its key. */
  readonly heldOrdinal: number;
  readonly hash: number;
}

export abstract class TimedTask extends Listed implements TimedRequest {
  // times are doubles from the beginning (infinite, not 0): V8 deoptimizes a class at the first fraction among whole numbers
  deadlineMs = Number.POSITIVE_INFINITY;
  abstract readonly body: TimedRequest['body'];
  abstract readonly heldOrdinal: number;
  abstract readonly hash: number;
  /** The deadline of the whole request, whatever it is waiting for. */
  #overallDeadlineMs = Number.POSITIVE_INFINITY;
  readonly #clock: { readonly nowMs: number };

  constructor(clock: { readonly nowMs: number }) {
    super();
    this.#clock = clock;
  }

  onDeadline(): void {
    this.runStep(() => this.onTimeout());
  }

  protected abstract onTimeout(): void;

  /** A step has thrown `cause`. */
  protected abstract onStepFailed(cause: unknown): void;

  protected runStep(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.onStepFailed(error);
    }
  }

  /** Limits the whole request; 0 is no limit. */
  protected setOverallDeadline(ms: number): void {
    if (ms > 0) this.#overallDeadlineMs = this.#clock.nowMs + ms;
  }

  protected get isOverallDeadlinePast(): boolean {
    return this.#clock.nowMs >= this.#overallDeadlineMs;
  }

  /** Limits what comes next, within the overall deadline; `isLimited` false leaves that as the only limit. */
  setDeadline(ms: number, isLimited = true): void {
    this.deadlineMs = isLimited
      ? Math.min(this.#clock.nowMs + ms, this.#overallDeadlineMs)
      : this.#overallDeadlineMs;
  }
}

/** With fewer requests under way a round of the event loop has little to write, and batching costs more than it saves. */
const BATCH_REQUESTS = 3;

/** All requests under way. */
export class ActiveRequests {
  readonly tunnels = new OpenTunnels();
  readonly #requests = new UnorderedList<TimedRequest>();

  /** So many are under way that what is written for one is worth holding back for what the others write. */
  get areMany(): boolean {
    return this.#requests.size >= BATCH_REQUESTS;
  }

  add(request: TimedRequest): void {
    this.#requests.add(request);
  }

  remove(request: TimedRequest): void {
    this.#requests.remove(request);
  }

  /** The hash that most requests on the replica have, and how many have it; count 0 where there are none. */
  commonKey(ordinal: number): { readonly hash: number; readonly count: number } {
    const counts = new Map<number, number>();
    let common = { hash: 0, count: 0 };
    for (const { heldOrdinal, hash } of this.#requests) {
      if (heldOrdinal !== ordinal) continue;
      const count = (counts.get(hash) ?? 0) + 1;
      counts.set(hash, count);
      if (count > common.count) common = { hash, count };
    }
    return common;
  }

  /** Ends what is past its deadline; `checksPeers` has request bodies that make no progress looked at as well. */
  checkDeadlines(nowMs: number, checksPeers: boolean): void {
    for (const request of this.#requests) {
      if (checksPeers) request.body?.checkPeers(nowMs);
      if (nowMs >= request.deadlineMs) request.onDeadline();
    }
    this.tunnels.tick(nowMs);
  }
}
