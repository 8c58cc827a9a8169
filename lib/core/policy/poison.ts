/**
 * What data threads tell of requests that were on an instance when it was lost, and the control plane judges
 * (`fleet/poison.ts`): types, and by what such requests are known. Pure.
 */

/** A request that lost an instance before it had a response. */
export interface LosingRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Its X-Request-Id. */
  readonly id: string;
}

/** It was sent to an instance, whose connection closed, or which was gone, before a response. */
export interface Loss extends LosingRequest {
  /** Which instance: a number that no other has. */
  readonly generation: number;
}

/** It is over. */
export interface Settlement extends LosingRequest {
  /** Another replica has responded to it, and the response was whole. */
  readonly isServed: boolean;
}

/** By this requests of one kind are known. */
export function kindOf({ method, path }: Pick<LosingRequest, 'method' | 'path'>): string {
  return `${method} ${path}`;
}

/** The path of a request target. */
export function pathOf(target: string): string {
  const query = target.indexOf('?');
  return query === -1 ? target : target.slice(0, query);
}
