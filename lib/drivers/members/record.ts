/**
 * What a balancer of a shared pool writes down about itself for the others, as the text of one label.
 */
import { parseReport, type ScaleReport } from '../../core/policy/shared-scale.ts';
import { describeOwner, type Owner, parseOwner } from '../docker/owner.ts';
import type { Peer, PoolDeploy } from '../driver.ts';

export interface MemberRecord {
  readonly owner: Owner;
  /** Goes up by one with every renewal; only that it changes matters, never by whose clock. */
  readonly number: number;
  /** Hash of its route table; '' before it has one. */
  readonly tableHash: string;
  /** Short ids of the instances that it may send requests to, or has some in flight on. */
  readonly using: readonly string[];
  /** Short ids of the instances that it has removed lately; absent in records of earlier versions. */
  readonly removed?: readonly string[] | undefined;
  /** What it says of autoscaling; absent before its autoscaling has begun. */
  readonly scale?: ScaleReport | undefined;
  /** What it deploys; absent while it does not. */
  readonly deploy?: PoolDeploy | undefined;
  /** Id of the deploy of another balancer that its operator wants taken back. */
  readonly undo?: string | undefined;
}

/** Enough of an instance's id to tell it from every other. */
const ID_LENGTH = 12;

export function shortId(instanceId: string): string {
  return instanceId.slice(0, ID_LENGTH);
}

/** Another balancer, as it is shown. */
export function peerOf({ owner, tableHash }: Pick<MemberRecord, 'owner' | 'tableHash'>): Peer {
  const { token, admin } = owner;
  return { id: token.slice(0, 8), title: describeOwner(owner), admin, tableHash, isSelf: false };
}

export function textOf(record: MemberRecord): string {
  const { owner, number, tableHash, using, removed, scale, deploy, undo } = record;
  return JSON.stringify({ owner, number, tableHash, using, removed, scale, deploy, undo });
}

/** Undefined for anything else than what `textOf` gives. */
export function parseRecord(text: string | undefined): MemberRecord | undefined {
  const { owner: written, number, tableHash, using, removed, scale, deploy, undo } = parse(text ?? '');
  const owner = parseOwner(JSON.stringify(written));
  if (owner === undefined || !Number.isSafeInteger(number) || typeof tableHash !== 'string') return undefined;
  if (!isIds(using)) return undefined;
  return {
    owner,
    number: number as number,
    tableHash,
    using,
    removed: isIds(removed) ? removed : undefined,
    scale: parseReport(scale),
    deploy: parseDeploy(deploy),
    undo: typeof undo === 'string' ? undo : undefined,
  };
}

function isIds(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((id) => typeof id === 'string');
}

function parseDeploy(value: unknown): PoolDeploy | undefined {
  const { id, generation, title } = Object(value);
  const isDeploy = typeof id === 'string' && Number.isSafeInteger(generation) && typeof title === 'string';
  return isDeploy ? { id, generation, title } : undefined;
}

/** What one balancer of a pool does at a time: make it a certain size, or deploy. */
export type TurnKind = 'size' | 'deploy';

/** Whose turn it is: of several the one with the highest number. */
export interface StoredTurn {
  /** As the store knows it, for `remove`. */
  readonly key: string;
  readonly number: number;
  /** Of its balancer. */
  readonly token: string;
}

/** Labels of turns, with the token of the balancer whose turn it is. */
export const TURN_LABELS: Readonly<Record<TurnKind, string>> = {
  size: 'ringlb.turn',
  deploy: 'ringlb.deploy-turn',
};

/** The name under which a turn is put down. */
export function turnName(kind: TurnKind, pool: string, number: number): string {
  return `ringlb-${kind === 'size' ? 'turn' : 'deploy'}-${pool}-${number}`;
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
