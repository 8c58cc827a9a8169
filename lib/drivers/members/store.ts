/** Where the balancers of a pool keep their records: types only. */
import type { MemberRecord, StoredTurn, TurnKind } from './record.ts';

export interface StoredRecord {
  /** As the store knows it, for `remove`. */
  readonly key: string;
  readonly record: MemberRecord;
}

export interface MemberStore {
  /** Every record of the pool. Throws `engine-unreachable`. */
  list(): Promise<readonly StoredRecord[]>;
  /** Writes down a record of this balancer, which has a greater number than those before. */
  put(record: MemberRecord): Promise<void>;
  turns(kind: TurnKind): Promise<readonly StoredTurn[]>;
  /** Nothing happens where another balancer has put down this number before. */
  putTurn(kind: TurnKind, number: number, token: string): Promise<void>;
  /** One that is gone is no error. */
  remove(key: string): Promise<void>;
}
