/**
 * Every endpoint of the balancer with an answer it must give, right requests and wrong ones.
 * Must not hold: load. Invariant: the fleet consists of the same names afterwards.
 */
import type { Balancer } from './balancer.ts';
import type { Answer, Asking } from './client.ts';
import { restore } from './fleet-size.ts';

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

function checksOf(names: readonly string[]): readonly Check[] {
  const more = [...names, NAME];
  const list = (port: Check['port'], path: string): Check => ({
    port,
    method: 'GET',
    path,
    status: 200,
    shows: `N and the names of all ${names.length}`,
    isShown: isListOf(names),
  });
  const change = (
    method: string,
    path: string,
    body: string,
    expected: Pick<Check, 'status' | 'shows' | 'isShown'>,
  ): Check => ({ port: 'public', method, path, body, ...expected });
  const ok = (listed: readonly string[]) => ({
    status: 200,
    shows: `the names of all ${listed.length}`,
    isShown: isListOf(listed),
  });
  const refused = (text: string) => ({ status: 400, shows: `"${text}"`, isShown: says(text) });
  const one = JSON.stringify({ n: 1, hostnames: [NAME] });
  const two = JSON.stringify({ n: 1, hostnames: [NAME, 'b'] });
  return [
    {
      port: 'public',
      method: 'GET',
      path: '/home',
      status: 200,
      shows: 'the name of a replica',
      isShown: (answer) => names.some((name) => answer.body.includes(name)),
    },
    {
      port: 'public',
      method: 'GET',
      path: '/heartbeat',
      status: 200,
      shows: 'an empty body',
      isShown: ({ body }) => body === '',
    },
    list('public', '/rep'),
    {
      port: 'public',
      method: 'POST',
      path: '/rep',
      status: 405,
      shows: 'Allow: GET',
      isShown: ({ headers }) => headers.allow?.includes('GET') ?? false,
    },
    list('admin', '/rep'),
    list('admin', '/replicas'),
    { port: 'admin', method: 'GET', path: '/healthz', status: 200, shows: 'success', isShown: isSuccess },
    { port: 'admin', method: 'GET', path: '/readyz', status: 200, shows: 'success', isShown: isSuccess },
    {
      port: 'admin',
      method: 'GET',
      path: '/ring',
      status: 200,
      shows: 'shares that add up to 1',
      isShown: (answer) => {
        const { members } = (
          JSON.parse(answer.body) as { message: { members: readonly { share: number }[] } }
        ).message;
        return Math.abs(members.reduce((sum, { share }) => sum + share, 0) - 1) < 1e-6;
      },
    },
    // what changes the fleet comes last: a replica that drains is still listed
    change('POST', '/add', two, refused(TOO_MANY_ADDED)),
    change('POST', '/add', '{"n":', { status: 400, shows: 'a failure', isShown: isFailure }),
    change('POST', '/add', JSON.stringify({ n: 1, hostnames: [names[0]] }), refused(names[0]!)),
    change('POST', '/add', one, ok(more)),
    change('DELETE', '/rm', two, refused(TOO_MANY_REMOVED)),
    change('DELETE', '/rm', '{"n":1,"hostnames":["no-such"]}', refused('no-such')),
    change('DELETE', '/rm', one, ok(names)),
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
  const results: EndpointResult[] = [];
  try {
    for (const expected of checksOf(names)) results.push(await check(balancer, expected));
  } finally {
    await restore(balancer.control, names);
  }
  return results;
}
