/** `/deploy`: starts, shows and takes back the deploy of a new version. */

import type { DeployPreview, DeployStarted, DeployStatus } from '../../api/deploy.ts';
import { parseVariable } from '../../config/parsers/spec-parsers.ts';
import { duration, image as imageReference } from '../../config/parsers/value-parsers.ts';
import { didYouMean, orList, quote } from '../../config/suggest.ts';
import { DEPLOY_DEFAULTS } from '../../core/policy/deploy-gate.ts';
import { isObject, type Json, type JsonObject, parseJson, typeOf } from '../json.ts';
import { checkParameters, flagIn, refuse } from '../query.ts';
import { accepted, succeeded } from '../reply.ts';
import type { Route } from './fleet.ts';

/** What a body asks for. */
export interface DeployOrder {
  /**
   * `change`: a new release; `restart`: the current one anew; `rollback`: the one before; `resume`: what an earlier balancer
   * did not end.
   */
  readonly kind: 'change' | 'restart' | 'rollback' | 'resume';
  readonly image?: string | undefined;
  readonly command?: string | undefined;
  readonly env?: readonly (readonly [name: string, value: string])[] | undefined;
  /** Replicas that are replaced at the same time. */
  readonly batch: number;
  readonly watchMs: number;
  /** The part of the requests of a new instance that may fail, 0 to 1. */
  readonly maxErrorRate: number;
}

/** What the routes need of the fleet. */
export interface Deployer {
  /** Begins a deploy and gives its id. Throws BalancerError: `bad-request`, `deploy-running`, `image-missing`. */
  start(order: DeployOrder): Promise<string>;
  preview(order: DeployOrder): Promise<DeployPreview>;
  /** Takes back the deploy under way, or goes back to the release before. Throws as `start`. */
  rollBack(): Promise<string>;
  status(): DeployStatus;
}

const FIELDS = [
  'image',
  'command',
  'env',
  'batch',
  'watch',
  'maxErrorRate',
  'restart',
  'rollback',
  'resume',
] as const;
const KINDS = ['restart', 'rollback', 'resume'] as const;
const MAX_BATCH = 10_000;
const EXAMPLE = '{"image":"app:v2"}';

export function deployRoute(deployer: Deployer): Route {
  return {
    path: '/deploy',
    methods: ['GET', 'HEAD', 'POST', 'DELETE'],
    access: 'steer',
    readMethods: ['GET', 'HEAD'],
    async handle({ method, query, body }) {
      checkParameters(query, method === 'POST' ? ['dry-run'] : []);
      if (method === 'DELETE') return accepted({ id: await deployer.rollBack() } satisfies DeployStarted);
      if (method !== 'POST') return succeeded(deployer.status());
      const isDryRun = flagIn(query, 'dry-run');
      const order = parseDeploy(await body());
      if (isDryRun) return succeeded(await deployer.preview(order));
      return accepted({ id: await deployer.start(order) } satisfies DeployStarted);
    },
  };
}

/** The deploy in a body. Throws BalancerError `bad-request` that names the field and what it must be. */
export function parseDeploy(body: string): DeployOrder {
  if (/^\s*$/.test(body)) refuse(`The body is empty; send JSON such as ${EXAMPLE}`);
  const value = parseJson(body);
  if (!isObject(value)) refuse(`The body must be an object such as ${EXAMPLE}, not ${typeOf(value)}`);
  for (const field of value.keys()) {
    const hint = didYouMean(field, FIELDS) || `; the fields are ${orList(FIELDS).replace(' or ', ' and ')}`;
    if (!FIELDS.some((known) => known === field)) refuse(`Unknown field ${quote(field)}${hint}`);
  }
  const kinds = KINDS.filter((kind) => isSet(value, kind));
  const image = textOf(value, 'image');
  const command = textOf(value, 'command');
  const env = variablesOf(value.get('env'));
  const changes = [image && 'image', command && 'command', env && 'env'].filter((name) => name !== undefined);
  if (kinds.length + Math.sign(changes.length) > 1)
    refuse(`${orList([...kinds, ...changes]).replace(' or ', ' and ')} do not go together`);
  if (kinds.length + changes.length === 0)
    refuse(`Say what to deploy: image, command or env, or restart, as in ${EXAMPLE}`);
  if (image !== undefined) {
    const read = imageReference.read(image);
    if ('problem' in read) refuse(`image ${read.problem}, not ${quote(image)}`);
  }
  return { kind: kinds[0] ?? 'change', image, command, env, ...limitsOf(value) };
}

function limitsOf(value: JsonObject): Pick<DeployOrder, 'batch' | 'watchMs' | 'maxErrorRate'> {
  const batch = value.get('batch') ?? DEPLOY_DEFAULTS.batch;
  if (typeof batch !== 'number' || !Number.isInteger(batch) || batch < 1 || batch > MAX_BATCH)
    refuse(`batch must be a whole number from 1 to ${MAX_BATCH}, not ${shown(batch)}`);
  const maxErrorRate = value.get('maxErrorRate') ?? DEPLOY_DEFAULTS.maxErrorRate;
  if (typeof maxErrorRate !== 'number' || maxErrorRate < 0 || maxErrorRate > 1)
    refuse(`maxErrorRate must be a number from 0 to 1, not ${shown(maxErrorRate)}`);
  const watch = value.get('watch');
  if (watch === undefined) return { batch, maxErrorRate, watchMs: DEPLOY_DEFAULTS.watchMs };
  const read = typeof watch === 'string' ? duration('from zero').read(watch) : undefined;
  if (read === undefined) refuse(`watch must be a duration such as "10s", not ${shown(watch)}`);
  if ('problem' in read) refuse(`watch ${read.problem}, not ${shown(watch)}`);
  return { batch, maxErrorRate, watchMs: read.value };
}

function isSet(value: JsonObject, kind: string): boolean {
  const found = value.get(kind) ?? false;
  return typeof found === 'boolean' ? found : refuse(`${kind} must be true or false, not ${shown(found)}`);
}

function textOf(value: JsonObject, field: string): string | undefined {
  const found = value.get(field);
  if (found === undefined) return undefined;
  if (typeof found !== 'string') return refuse(`${field} must be text, not ${typeOf(found)}`);
  return found.trim() === '' ? refuse(`${field} must not be empty`) : found;
}

/** The value of a variable may be secret, so it is never repeated. */
function variablesOf(value: Json | undefined): DeployOrder['env'] {
  if (value === undefined) return undefined;
  if (!isObject(value)) return refuse(`env must be an object of names and values, not ${typeOf(value)}`);
  return [...value].map(([name, text]) => {
    if (typeof text !== 'string') return refuse(`env.${name} must be text, not ${typeOf(text)}`);
    const read = parseVariable(`${name}=${text}`);
    return 'problem' in read ? refuse(`env: ${quote(name)} ${read.problem}`) : [name, text];
  });
}

function shown(value: Json): string {
  return typeof value === 'number' ? String(value) : typeof value === 'string' ? quote(value) : typeOf(value);
}
