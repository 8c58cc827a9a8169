/**
 * What the instances of the fleet print: the last lines of each that runs, and of the last two that ended of each
 * replica.
 * Invariant: nobody waits for a reader, since a follower has no queue of its own: it gets what is kept and new to it,
 * and each line says how many before it were dropped by then.
 */
import type { LogLine } from '../../api/types.ts';
import type { OutputSink, OutputStream } from '../../drivers/driver.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
import { InstanceLog, type KeptLine } from './instance-log.ts';

/** Which lines are wanted; nothing named is everything. */
export interface LogFilter {
  readonly replicas: readonly string[];
  readonly instance: string | undefined;
}

/** Instances that ended whose lines are kept: of one replica, and of all together. */
const ENDED_KEPT = 2;
const ALL_ENDED_KEPT = 64;
/** Time from a line to the followers who get it. */
const FOLLOW_MS = 100;
/** The most text of one batch, so that a stream is not taken for one that nobody reads; each line counts as more. */
const BATCH_BYTES = 128 * 1024;
const LINE_COST_BYTES = 200;
const ID = /^([0-9a-z]+)-(\d{1,15})$/;

interface Found extends KeptLine {
  readonly log: InstanceLog;
}

interface Follower {
  readonly filter: LogFilter;
  readonly listener: (lines: readonly LogLine[]) => void;
  /** The last sequence number it has seen, and the last line number of each instance. */
  sequence: number;
  readonly numbers: WeakMap<InstanceLog, number>;
  /** False while it gets its first lines: nothing has been missed then. */
  isFollowing: boolean;
}

export class ReplicaLogs {
  readonly #clock: Clock;
  readonly #start: string;
  /** By instance id; those that ended in the order of their end. */
  readonly #logs = new Map<string, InstanceLog>();
  readonly #followers = new Set<Follower>();
  #sequence = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#start = Math.floor(clock.wallMs()).toString(36);
  }

  /** Opens the log of an instance, or the one that it has already. */
  open(replica: string, instanceId: string): OutputSink {
    const known = this.#logs.get(instanceId);
    const log = known ?? new InstanceLog(replica, instanceId, () => ++this.#sequence);
    log.isOpen = true;
    this.#logs.set(instanceId, log);
    return {
      write: (stream: OutputStream, bytes: Buffer, wallMs = this.#clock.wallMs()) => {
        log.write(stream, bytes, wallMs);
        this.#scheduleBatch();
      },
      end: () => {
        if (!log.isOpen) return;
        log.end();
        this.#scheduleBatch();
        this.#keepEnded(log);
      },
    };
  }

  /** Names of replicas that have a log. */
  names(): readonly string[] {
    return [...new Set([...this.#logs.values()].map(({ replica }) => replica))];
  }

  /** The last `count` lines, the oldest first. */
  last(filter: LogFilter, count: number): readonly LogLine[] {
    const found = this.#find(filter, 0);
    return found.slice(Math.max(0, found.length - count)).map((line) => this.#view(line, 0));
  }

  /** The text of the last `count` lines of one instance, the oldest first, also where it has ended. */
  lastTexts(instanceId: string, count: number): readonly string[] {
    const log = this.#logs.get(instanceId);
    const newest = log === undefined ? [] : [...log.newestFirst(0)].slice(0, count);
    return newest.map(({ text }) => text).reverse();
  }

  /**
   * Calls the listener with the last `count` lines, or with those after the line `lastId` where that is a line of ours,
   * and from then on with what is new.
   */
  follow(
    filter: LogFilter,
    { count, lastId = '' }: { readonly count: number; readonly lastId?: string | undefined },
    listener: (lines: readonly LogLine[]) => void,
  ): () => void {
    const [, start, sequence] = ID.exec(lastId) ?? [];
    const isResumed = start === this.#start;
    const follower: Follower = {
      filter,
      listener,
      sequence: isResumed ? Number(sequence) : 0,
      numbers: new WeakMap(),
      isFollowing: false,
    };
    this.#send(follower, lastId === '' ? count : Number.POSITIVE_INFINITY);
    // what is dropped of these counts from here on, of later instances from their first line
    for (const log of this.#logs.values()) follower.numbers.set(log, log.total);
    follower.isFollowing = true;
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  /** Gives followers what is new to them, the last. */
  close(): void {
    this.#timer?.cancel();
    if (this.#timer !== undefined) this.#sendAll();
    this.#followers.clear();
  }

  #scheduleBatch(): void {
    if (this.#followers.size === 0) return;
    this.#timer ??= this.#clock.after(FOLLOW_MS, () => this.#sendAll());
  }

  #sendAll(): void {
    this.#timer = undefined;
    for (const follower of this.#followers) this.#send(follower, Number.POSITIVE_INFINITY);
  }

  /**
   * Passes on what is new to the follower: no more than a batch, of which the newest. So a flood costs its splitting
   * into lines and nothing else, and a follower sees the end of it.
   */
  #send(follower: Follower, most: number): void {
    const found = this.#find(follower.filter, follower.sequence);
    let from = found.length;
    let left = BATCH_BYTES;
    while (from > 0 && found.length - from < most && left > 0) {
      from--;
      left -= found[from]!.bytes + LINE_COST_BYTES;
    }
    const lines = found.slice(from).map((line) => {
      const before = follower.numbers.get(line.log) ?? 0;
      follower.numbers.set(line.log, line.number);
      return this.#view(line, follower.isFollowing ? line.number - before - 1 : 0);
    });
    follower.sequence = this.#sequence;
    if (lines.length > 0) follower.listener(lines);
  }

  #find({ replicas, instance }: LogFilter, sequence: number): readonly Found[] {
    return [...this.#logs.values()]
      .filter((log) => replicas.length === 0 || replicas.includes(log.replica))
      .filter((log) => instance === undefined || log.instanceId === instance)
      .flatMap((log) => [...log.newestFirst(sequence)].map((line) => ({ ...line, log })))
      .sort((one, other) => one.sequence - other.sequence);
  }

  #view({ log, sequence, wallMs, stream, text }: Found, missed: number): LogLine {
    return {
      id: `${this.#start}-${sequence}`,
      time: new Date(wallMs).toISOString(),
      replica: log.replica,
      instance: log.instanceId,
      stream,
      text,
      missed,
    };
  }

  #keepEnded(log: InstanceLog): void {
    // to the end of the map, which is then in the order of ends
    this.#logs.delete(log.instanceId);
    this.#logs.set(log.instanceId, log);
    const ended = [...this.#logs.values()].filter(({ isOpen }) => !isOpen);
    const ofReplica = ended.filter(({ replica }) => replica === log.replica);
    const surplus = [...ofReplica.slice(0, -ENDED_KEPT), ...ended.slice(0, -ALL_ENDED_KEPT)];
    for (const { instanceId } of surplus) this.#logs.delete(instanceId);
  }
}
