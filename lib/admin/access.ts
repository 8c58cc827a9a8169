/**
 * Who may do what on the control plane: the one place that judges it, for every route.
 * Must not hold: which route a request is for (`router.ts`), what it does there (`api.ts`).
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { BalancerError } from '../errors.ts';
import type { Access } from './api.ts';
import { failureOf, type WholeReply } from './reply.ts';

export class AccessControl {
  readonly #isRight: (authorization: string | undefined) => boolean;

  /** `token` is what those who steer must show; '' is nothing. */
  constructor(token: string) {
    this.#isRight = tokenCheck(token);
  }

  /** The answer to a request that must not be answered by a route of this access; undefined where it may. */
  refusalOf(request: IncomingMessage, access: Access): WholeReply | undefined {
    if (access !== 'steer' || this.#isRight(request.headers.authorization)) return undefined;
    return failureOf(new BalancerError('unauthorized'), { 'www-authenticate': 'Bearer' });
  }
}

/** Tells whether an `Authorization` header holds the token, in a time that tells nothing about the token. */
function tokenCheck(token: string): (authorization: string | undefined) => boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const expected = digest(token);
  return (authorization = '') => {
    const given = /^Bearer +([^ ]+) *$/i.exec(authorization)?.[1] ?? '';
    return token === '' || timingSafeEqual(digest(given), expected);
  };
}
