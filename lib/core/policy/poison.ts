/**
 * Requests that were on an instance when it was lost: the types of what data threads report and the control plane judges
 * (`fleet/poison.ts`), and how such requests are grouped. Pure.
 */

/** A request that lost an instance before it had a response. */
export interface LosingRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Its X-Request-Id. */
  readonly id: string;
}

/** A request that was sent to an instance whose connection closed, or that ended, before a response. */
export interface Loss extends LosingRequest {
  /** The instance, by its unique generation. */
  readonly generation: number;
}

/** Such a request has ended. */
export interface Settlement extends LosingRequest {
  /** Another replica served it with a complete response. */
  readonly isServed: boolean;
}

/** Method and path: requests that share them are judged together. */
export function kindOf({ method, path }: Pick<LosingRequest, 'method' | 'path'>): string {
  return `${method} ${path}`;
}
