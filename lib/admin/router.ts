/**
 * Finds the route of a request by its path and method, and asks `access.ts` whether the client may use it.
 */
import type { IncomingMessage } from 'node:http';
import { quote } from '../config/suggest.ts';
import { BalancerError } from '../platform/errors.ts';
import type { AccessControl } from './access.ts';
import { failureOf, type Reply } from './reply.ts';
import type { Route } from './routes/fleet.ts';

export interface Router {
  /** Gives the response; throws what the route throws. `body` reads the body of the request. */
  route(request: IncomingMessage, body: () => Promise<string>): Reply | Promise<Reply>;
}

/** A router over `routes`, which `access` guards. */
export function createRouter(routes: readonly Route[], access: AccessControl): Router {
  const byPath = new Map(routes.map((route) => [route.path, route]));
  const byFolder = new Map(routes.filter(({ isFolder }) => isFolder).map((route) => [route.path, route]));
  const listed = routes.filter(({ isListed = true }) => isListed).map(({ path }) => path);
  return {
    route(request, body) {
      if (!hasOneHost(request)) throw new BalancerError('bad-request', 'The request needs one Host header');
      const { path, query } = splitTarget(request.url ?? '');
      const route = byPath.get(path) ?? byFolder.get(path.slice(0, path.lastIndexOf('/') + 1));
      if (route === undefined) {
        throw new BalancerError('not-found', `There is no ${quote(path)}; there is ${listed.join(', ')}`);
      }
      if (access.isHidden(request, path)) {
        throw new BalancerError('not-found', `There is no ${quote(path)} on this port`);
      }
      const method = request.method ?? '';
      if (!route.methods.includes(method)) {
        const allow = route.methods.join(', ');
        const error = new BalancerError('method-not-allowed', `${path} takes ${allow}, not ${method}`);
        return failureOf(error, { allow });
      }
      const needed = route.readMethods?.includes(method) ? 'read' : route.access;
      const refusal = access.refusalOf(request, needed, path);
      if (refusal !== undefined) return refusal;
      return route.handle({
        method,
        path,
        query: new URLSearchParams(query),
        headers: request.headers,
        body,
      });
    },
  };
}

/** RFC 9112 section 3.2: none or two are a 400, but HTTP/1.0 may leave it out. */
function hasOneHost(request: IncomingMessage): boolean {
  const hosts = request.headersDistinct.host?.length ?? 0;
  return hosts === 1 || (hosts === 0 && request.httpVersion === '1.0');
}

/** A request target in origin form or absolute form (RFC 9112 section 3.2), taken apart. */
function splitTarget(target: string): { readonly path: string; readonly query: string } {
  const [, path = '', query = ''] = /^(?:https?:\/\/[^/?#]*)?([^?#]*)\??([^#]*)/is.exec(target) ?? [];
  return { path: path === '' ? '/' : path, query };
}
