/**
 * The JSON that tells a client of a failure, on the public port and on the admin port alike.
 */

export interface Failure {
  /** `<Error> ` and a sentence that is safe to send. */
  readonly message: string;
  readonly status: 'failure';
}

/** The failure that `message` says. */
export function failureWith(message: string): Failure {
  return { message: `<Error> ${message}`, status: 'failure' };
}
