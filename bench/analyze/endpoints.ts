/**
 * Every endpoint of the balancer with an answer it must give, right requests and wrong ones.
 * Invariant: the fleet consists of the same names afterwards.
 */
import type { Balancer } from './balancer.ts';
import { type Answer, type Asking, replicaIn } from './client.ts';
import { restore } from './fleet-size.ts';
import { ownersOf } from './owners.ts';

/** A request and what its answer must be. */
interface Check {
  readonly port: 'public' | 'admin';
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly status: number;
  /** What the answer has to show, in words, and whether it does. */
  readonly shows: string;
  readonly isShown: (answer: Answer) => boolean;
}

export interface EndpointResult {
  readonly port: string;
  readonly request: string;
  readonly expected: string;
  readonly answered: string;
  readonly isRight: boolean;
}

/** A name that a fleet of the user's hardly has. */
const NAME = 'study-endpoint';
const ID = '123456';

interface Listed {
  readonly message: { readonly N?: number; readonly replicas?: readonly (string | { name: string })[] };
  readonly status: string;
}

const json = (answer: Answer): Listed => JSON.parse(answer.body) as Listed;
const isListOf = (names: readonly string[]) => (answer: Answer) => {
  const { message, status } = json(answer);
  const listed = (message.replicas ?? []).map((each) => (typeof each === 'string' ? each : each.name));
  return status === 'successful' && message.N === names.length && listed.join() === names.join();
};
const isFailure = (answer: Answer) => json(answer).status === 'failure';
const isSuccess = (answer: Answer) => json(answer).status === 'successful';
const says = (text: string) => (answer: Answer) => isFailure(answer) && answer.body.includes(text);

const TOO_MANY_ADDED = '<Error> Length of hostname list is more than newly added instances';
const TOO_MANY_REMOVED = '<Error> Length of hostname list is more than removable instances';

type Expected = Pick<Check, 'status' | 'shows' | 'isShown'>;

const listing = (names: readonly string[]): Expected => ({
  status: 200,
  shows: `N and the names of all ${names.length}`,
  isShown: isListOf(names),
});
const refusal = (text: string): Expected => ({ status: 400, shows: `"${text}"`, isShown: says(text) });
const SUCCESS: Expected = { status: 200, shows: 'success', isShown: isSuccess };

function get(port: Check['port'], path: string, expected: Expected): Check {
  return { port, method: 'GET', path, ...expected };
}

/** An id whose owner is known, and who that is. */
interface KnownOwner {
  readonly id: string;
  readonly owner: string;
}

/** What only looks. */
function readingChecks(names: readonly string[], { id, owner }: KnownOwner): readonly Check[] {
  return [
    get('public', '/home', {
      status: 200,
      shows: 'the name of a replica',
      isShown: (answer) => names.includes(replicaIn(answer) ?? ''),
    }),
    get('public', '/heartbeat', { status: 200, shows: 'an empty body', isShown: ({ body }) => body === '' }),
    get('public', '/rep', listing(names)),
    {
      ...get('public', '/rep', { status: 405, shows: 'Allow: GET', isShown: allowsGet }),
      method: 'POST',
    },
    get('admin', '/rep', listing(names)),
    get('admin', '/replicas', listing(names)),
    get('admin', '/healthz', SUCCESS),
    get('admin', '/readyz', SUCCESS),
    get('admin', '/ring', { status: 200, shows: 'shares that add up to 1', isShown: addsUp }),
    get('admin', `/explain?key=${id}`, {
      status: 200,
      shows: `${owner} as the owner, which core gives it`,
      isShown: ({ body }) => messageIn<{ owner: string }>(body).owner === owner,
    }),
    get('admin', '/history', {
      status: 200,
      shows: 'as many values as times',
      isShown: ({ body }) => {
        const { atMs, p50Ms } = messageIn<{ atMs: readonly number[]; p50Ms: readonly unknown[] }>(body);
        return atMs.length > 0 && atMs.length === p50Ms.length;
      },
    }),
    get('admin', '/events', {
      status: 200,
      shows: 'as many events as it says',
      isShown: ({ body }) => {
        const { N, events } = messageIn<{ N: number; events: readonly unknown[] }>(body);
        return N === events.length;
      },
    }),
    get('admin', '/metrics', {
      status: 200,
      shows: `requests of all ${names.length}`,
      isShown: ({ body }) => names.every((name) => body.includes(`ringlb_requests_total{replica="${name}"`)),
    }),
    get('admin', '/', {
      status: 200,
      shows: 'the dashboard',
      isShown: ({ headers, body }) =>
        headers['content-type']?.startsWith('text/html') === true && body.includes('<title>'),
    }),
    get('admin', '/no-such', { status: 404, shows: 'a failure', isShown: isFailure }),
  ];
}

const allowsGet = ({ headers }: Answer) => headers.allow?.includes('GET') ?? false;

const messageIn = <T>(body: string) => (JSON.parse(body) as { readonly message: T }).message;

function addsUp({ body }: Answer): boolean {
  const { members } = messageIn<{ members: readonly { share: number }[] }>(body);
  return Math.abs(members.reduce((sum, { share }) => sum + share, 0) - 1) < 1e-6;
}

const onAdmin = (check: Check): Check => ({ ...check, port: 'admin' });

const drainedAre = (names: readonly string[]): Expected => ({
  status: 200,
  shows: names.length === 0 ? 'no replica as drained' : `${names.join(', ')} as drained`,
  isShown: ({ body }) => messageIn<{ draining: readonly string[] }>(body).draining.join() === names.join(),
});

const isPreviewOf = (name: string) => (answer: Answer) => {
  const { dryRun, added } = messageIn<{ dryRun: boolean; added: readonly string[] }>(answer.body);
  return dryRun && added.join() === name;
};

/** What changes the fleet, or must not. It comes last, for a replica that drains is still listed. */
function changingChecks(names: readonly string[]): readonly Check[] {
  const change = (method: string, path: string, body: unknown, expected: Expected): Check => ({
    port: 'public',
    method,
    path,
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...expected,
  });
  const one = { n: 1, hostnames: [NAME] };
  const two = { n: 1, hostnames: [NAME, 'b'] };
  return [
    change('POST', '/add', two, refusal(TOO_MANY_ADDED)),
    change('POST', '/add', '{"n":', { status: 400, shows: 'a failure', isShown: isFailure }),
    change('POST', '/add', { n: 1, hostnames: [names[0]] }, refusal(names[0]!)),
    change('POST', '/add?dry-run', one, {
      status: 200,
      shows: 'what would come',
      isShown: isPreviewOf(NAME),
    }),
    change('POST', '/add', one, listing([...names, NAME])),
    onAdmin(change('POST', '/drain', { hostnames: [NAME] }, drainedAre([NAME]))),
    onAdmin(change('POST', '/undrain', { hostnames: [NAME] }, drainedAre([]))),
    change('DELETE', '/rm', two, refusal(TOO_MANY_REMOVED)),
    change('DELETE', '/rm', { n: 1, hostnames: ['no-such'] }, refusal('no-such')),
    change('DELETE', '/rm', one, listing(names)),
  ];
}

async function check(balancer: Balancer, expected: Check): Promise<EndpointResult> {
  const { port, method, path, body, status, shows, isShown } = expected;
  const asking: Asking = {
    headers: balancer.control.headers,
    ...(body === undefined ? {} : { body }),
  };
  const result = { port, request: `${method} ${path}${body === undefined ? '' : ` ${body}`}` };
  try {
    const answer = await balancer.control[port].ask(method, path, asking);
    const isRight = answer.status === status && isShown(answer);
    const answered = isRight ? `${answer.status}` : `${answer.status} ${answer.body.slice(0, 200)}`;
    return { ...result, expected: `${status}, ${shows}`, answered, isRight };
  } catch (error) {
    return { ...result, expected: `${status}, ${shows}`, answered: (error as Error).message, isRight: false };
  }
}

/** Asks every endpoint in turn; where replicas cannot be added, those requests are wrong in the result. */
export async function checkEndpoints(balancer: Balancer): Promise<readonly EndpointResult[]> {
  const names = await balancer.control.names();
  const ring = await balancer.control.ring();
  const known = { id: ID, owner: ownersOf(ring, [ID])[0]! };
  const results: EndpointResult[] = [];
  try {
    for (const expected of [...readingChecks(names, known), ...changingChecks(names)])
      results.push(await check(balancer, expected));
  } finally {
    await restore(balancer.control, names);
  }
  return results;
}
