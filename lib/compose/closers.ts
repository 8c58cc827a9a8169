/**
 * The stack of what has to be closed, for a start that failed and for a shutdown alike.
 * Invariants: the last that was pushed is closed first, one after the other, each once; one that fails does not keep
 * the others from being closed.
 */

/** With `keep` the replicas' instances run on, for the next balancer to adopt. */
export type Close = (keep: boolean) => unknown;

export class Closers {
  readonly #stack: Close[] = [];

  push(close: Close): void {
    this.#stack.push(close);
  }

  /** Closes everything; throws the first error once all is closed. */
  async closeAll(keep: boolean): Promise<void> {
    const errors: unknown[] = [];
    for (let close = this.#stack.pop(); close !== undefined; close = this.#stack.pop()) {
      try {
        await close(keep);
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
