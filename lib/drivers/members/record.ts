/**
 * What a balancer of a shared pool writes down about itself for the others, as the text of one label.
 */
import { parseReport, type ScaleReport } from '../../core/policy/shared-scale.ts';
import { type Owner, parseOwner } from '../docker/owner.ts';

export interface MemberRecord {
  readonly owner: Owner;
  /** Goes up by one with every renewal; only that it changes matters, never by whose clock. */
  readonly number: number;
  /** Hash of its route table; '' before it has one. */
  readonly tableHash: string;
  /** Short ids of the instances that it may send requests to, or has some in flight on. */
  readonly using: readonly string[];
  /** What it says of autoscaling; absent before its autoscaling has begun. */
  readonly scale?: ScaleReport | undefined;
}

/** Enough of an instance's id to tell it from every other. */
const ID_LENGTH = 12;

export function shortId(instanceId: string): string {
  return instanceId.slice(0, ID_LENGTH);
}

export function textOf({ owner, number, tableHash, using, scale }: MemberRecord): string {
  return JSON.stringify({ owner, number, tableHash, using, scale });
}

/** Undefined for anything else than what `textOf` gives. */
export function parseRecord(text: string | undefined): MemberRecord | undefined {
  const { owner: written, number, tableHash, using, scale } = parse(text ?? '');
  const owner = parseOwner(JSON.stringify(written));
  if (owner === undefined || !Number.isSafeInteger(number) || typeof tableHash !== 'string') return undefined;
  if (!Array.isArray(using) || !using.every((id) => typeof id === 'string')) return undefined;
  return { owner, number: number as number, tableHash, using, scale: parseReport(scale) };
}

/** Whose turn it is to make the pool a certain size: of several the one with the highest number. */
export interface StoredTurn {
  /** As the store knows it, for `remove`. */
  readonly key: string;
  readonly number: number;
  /** Of its balancer. */
  readonly token: string;
}

/** The name under which a turn is put down. */
export function turnName(pool: string, number: number): string {
  return `ringlb-turn-${pool}-${number}`;
}

/** The turn that has this name and belongs to `token`; none where that is undefined. */
export function parseTurn(name: string, token: string | undefined): readonly StoredTurn[] {
  const number = Number(name.split('-').at(-1));
  return token !== undefined && Number.isSafeInteger(number) ? [{ key: name, number, token }] : [];
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}
