/** Balancers of a pool whose records are in memory, with a clock that the test moves. */
import assert from 'node:assert/strict';
import { thisOwner } from '../../../lib/drivers/docker/owner.ts';
import { Membership } from '../../../lib/drivers/members/membership.ts';
import { parseRecord, type StoredTurn, textOf } from '../../../lib/drivers/members/record.ts';
import type { MemberStore, StoredRecord } from '../../../lib/drivers/members/store.ts';
import { BalancerError } from '../../../lib/platform/errors.ts';
import { FakeClock } from '../fake-clock.ts';
import { silentLogger } from '../silent-logger.ts';

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

function memoryStore() {
  const records = new Map<string, StoredRecord>();
  const turns = new Map<string, StoredTurn>();
  const store: MemberStore = {
    list: async () => [...records.values()],
    async put(record) {
      const key = `${record.owner.token}-${record.number}`;
      const read = parseRecord(textOf(record));
      assert.ok(read !== undefined);
      records.set(key, { key, record: read });
    },
    turns: async (kind) => [...turns.values()].filter(({ key }) => key.startsWith(`${kind}-`)),
    async putTurn(kind, number, token) {
      const key = `${kind}-${number}`;
      if (!turns.has(key)) turns.set(key, { key, number, token });
    },
    async remove(key) {
      records.delete(key);
      turns.delete(key);
    },
  };
  return { store, records, turns };
}

export interface JoinedMember {
  readonly member: Membership;
  /** It has ended without a word. */
  end(): void;
  /** Its records wait until the returned function is called. */
  holdRecords(): () => void;
  /** The next answer to this reaches it when the returned function is called. */
  holdNext(call: Held): () => void;
  /** The engine is away when it next asks for this, but for the first `after` times. */
  failNext(call: Failing, after?: number): void;
}

type Failing = 'put' | 'remove' | 'isGone';
type Held = 'list' | 'isGone';

export function memoryMembers() {
  const clock = new FakeClock();
  const { store, records, turns } = memoryStore();
  const gone = new Set<string>();
  const warnings: string[] = [];
  const ended: string[] = [];
  const info = (_: object, message: string): void => {
    if (message === 'another balancer of the pool has ended') ended.push(message);
  };
  const log = { ...silentLogger, info, warn: (_: object, message: string) => void warnings.push(message) };
  const join = async (): Promise<JoinedMember> => {
    const owner = thisOwner('', 0, undefined);
    let failing: Failing | undefined;
    let left = 0;
    const mayFail = (call: Failing): void => {
      if (call !== failing || left-- > 0) return;
      failing = undefined;
      throw new BalancerError('engine-unreachable');
    };
    const held = new Map<Held, Promise<void>>();
    const wait = async (call: Held): Promise<void> => {
      const until = held.get(call);
      held.delete(call);
      await until;
    };
    const isGone = async ({ token }: { readonly token: string }) => {
      mayFail('isGone');
      const isGoneNow = gone.has(token);
      await wait('isGone');
      return isGoneNow;
    };
    let heldRecords: Promise<void> | undefined;
    const put: MemberStore['put'] = async (record) => {
      mayFail('put');
      await heldRecords;
      return store.put(record);
    };
    const remove: MemberStore['remove'] = async (key) => {
      mayFail('remove');
      return store.remove(key);
    };
    const list: MemberStore['list'] = async () => {
      const listed = await store.list();
      await wait('list');
      return listed;
    };
    const member = new Membership({ store: { ...store, put, remove, list }, owner, isGone, clock, log });
    await member.join();
    const holdRecords = () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      heldRecords = promise;
      return resolve;
    };
    const holdNext = (call: Held) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      held.set(call, promise);
      return resolve;
    };
    const failNext = (call: Failing, after = 0): void => {
      failing = call;
      left = after;
    };
    return { member, end: () => gone.add(owner.token), holdRecords, holdNext, failNext };
  };
  const advance = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 100) {
      clock.advance(100);
      await settle();
    }
  };
  return { join, advance, settle, records, turns, warnings, ended };
}
