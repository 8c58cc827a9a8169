/**
 * Follows what containers print, and reconnects until they have ended.
 * Invariants: the engine reads a container's output whether we do or not, so nobody ever waits for us; after a connection
 * was lost it goes on behind the last line that was read.
 * Source: Docker Engine API 1.41, ContainerLogs and the stream format of ContainerAttach.
 */
import type { Readable } from 'node:stream';
import { type Clock, sleep } from '../../platform/clock.ts';
import { isBalancerError } from '../../platform/errors.ts';
import type { Instance, OpenOutput, OutputSink } from '../driver.ts';
import type { DockerApi } from './api.ts';
import type { DockerEngine } from './engine.ts';

/** Past lines, as many as are kept of an instance. */
const TAIL_LINES = 500;
const HEAD_LIMIT_MS = 10_000;
const FIRST_DELAY_MS = 100;
const LAST_DELAY_MS = 5_000;
/** Stream number, three zero bytes, a length of four bytes. */
const HEAD_BYTES = 8;
/** Of `2026-11-21T03:12:00.000` in a timestamp with nanoseconds. */
const MS_LENGTH = 23;
const BLANK = 0x20;

export interface ContainerLogsOptions {
  readonly api: DockerApi;
  readonly engine: Pick<DockerEngine, 'container'>;
  readonly openOutput: OpenOutput;
  readonly clock: Clock;
}

interface Followed {
  readonly output: OutputSink;
  /** The timestamp of the last line that was read, '' before the first. */
  last: string;
  isActive: boolean;
  /** Its logging driver keeps nothing that could be read. */
  isUnreadable: boolean;
  stream: Readable | undefined;
}

export class ContainerLogs {
  readonly #options: ContainerLogsOptions;
  readonly #followed = new Map<string, Followed>();
  #isClosed = false;

  constructor(options: ContainerLogsOptions) {
    this.#options = options;
  }

  /** Follows a container from its last lines on; one that is followed already stays so. */
  follow(instanceId: string, replica: string): void {
    const known = this.#followed.get(instanceId);
    if (known?.isActive || known?.isUnreadable || this.#isClosed) return;
    const output = this.#options.openOutput(replica, instanceId);
    const last = known?.last ?? '';
    const followed: Followed = { output, last, isActive: true, isUnreadable: false, stream: undefined };
    this.#followed.set(instanceId, followed);
    void this.#run(instanceId, followed);
  }

  /** Follows those that run, reads once those that ended before we came, and forgets the ones that are gone. */
  followAll(instances: readonly Instance[]): void {
    for (const { instanceId, name, status } of instances)
      if (status === 'running' || !this.#followed.has(instanceId)) this.follow(instanceId, name);
    const listed = new Set(instances.map(({ instanceId }) => instanceId));
    for (const [instanceId, { isActive }] of this.#followed)
      if (!isActive && !listed.has(instanceId)) this.#followed.delete(instanceId);
  }

  close(): void {
    this.#isClosed = true;
    for (const { stream } of this.#followed.values()) stream?.destroy();
  }

  async #run(instanceId: string, followed: Followed): Promise<void> {
    const { api, clock } = this.#options;
    let hasEnded = false;
    for (let delayMs = FIRST_DELAY_MS; !this.#isClosed; delayMs = Math.min(delayMs * 2, LAST_DELAY_MS)) {
      const before = followed.last;
      try {
        const stream = await followLog(api, instanceId, followed.last);
        followed.stream = stream;
        if (this.#isClosed) stream.destroy();
        else await readFrames(stream, followed);
      } catch (error) {
        followed.isUnreadable = isBalancerError(error, 'bad-request');
        if (followed.isUnreadable) break;
      }
      if (this.#isClosed) return;
      if (hasEnded) break;
      hasEnded = await this.#hasEnded(instanceId);
      // once more: the engine does not always send a half line at the end to those who follow
      if (hasEnded) continue;
      if (followed.last !== before) delayMs = FIRST_DELAY_MS;
      await sleep(clock, delayMs);
    }
    followed.isActive = false;
    followed.stream = undefined;
    if (!this.#isClosed) followed.output.end();
  }

  /** False also where the engine does not say. */
  #hasEnded(instanceId: string): Promise<boolean> {
    return this.#options.engine.container(instanceId).then(
      (container) => container?.State.Running !== true,
      () => false,
    );
  }
}

/** Reads a stream to its end. Throws when it is cut. */
async function readFrames(stream: Readable, followed: Followed): Promise<void> {
  // lines up to this one are known; the engine may send them again
  const known = followed.last;
  const clockOf = timestampReader();
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    const bytes: Buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    let lastStampAt: number | undefined;
    for (;;) {
      if (at + HEAD_BYTES > bytes.length) break;
      const from = at + HEAD_BYTES;
      const end = from + bytes.readUInt32BE(at + 4);
      if (end > bytes.length) break;
      const blank = bytes.indexOf(BLANK, from);
      const isStamped = blank !== -1 && blank < end;
      if (isStamped && (known === '' || bytes.toString('latin1', from, blank) > known)) {
        const stream = bytes[at] === 2 ? 'stderr' : 'stdout';
        followed.output.write(stream, bytes.subarray(blank + 1, end), clockOf(bytes, from));
        lastStampAt = from;
      }
      at = end;
    }
    if (lastStampAt !== undefined)
      followed.last = bytes.toString('latin1', lastStampAt, bytes.indexOf(BLANK, lastStampAt));
    rest = bytes.subarray(at);
  }
}

/** Reads timestamps; many lines have the same one, to the millisecond. */
function timestampReader(): (bytes: Buffer, at: number) => number | undefined {
  let text = '';
  let wallMs: number | undefined;
  return (bytes, at) => {
    const read = bytes.toString('latin1', at, at + MS_LENGTH);
    if (read === text) return wallMs;
    text = read;
    const parsed = Date.parse(`${read}Z`);
    wallMs = Number.isNaN(parsed) ? undefined : parsed;
    return wallMs;
  };
}

/**
 * What the container printed after the timestamp (`2026-11-21T03:12:00.000000000Z`, '' for its last lines) and prints
 * until it ends, in frames, each with a timestamp. Throws `bad-request` where the logging driver keeps none.
 */
async function followLog(api: DockerApi, id: string, after: string): Promise<Readable> {
  const since = after === '' ? {} : { since: secondsOf(after) };
  const stream = await api.call({
    method: 'GET',
    path: `/containers/${id}/logs`,
    query: { stderr: true, stdout: true, follow: true, timestamps: true, tail: TAIL_LINES, ...since },
    what: 'follow logs',
    timeoutMs: HEAD_LIMIT_MS,
    refused: (status) => (status === 400 || status === 501 ? 'bad-request' : 'engine-unreachable'),
    isStream: true,
  });
  return stream as Readable;
}

/** `1795230720.123456789` for a timestamp with nanoseconds. */
function secondsOf(timestamp: string): string {
  const [whole = '', fraction = '0'] = timestamp.replace('Z', '').split('.');
  return `${Date.parse(`${whole}Z`) / 1000}.${fraction}`;
}
