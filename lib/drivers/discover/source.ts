/**
 * The seam between discovery and where servers are looked up: types only. A source says what is listed now; what is to
 * be believed of it, and when to look again, is decided elsewhere. Every source passes
 * `test/drivers/discover/source-suite.ts`.
 */
import type { Endpoint } from '../../core/replica.ts';

/** A server as a source lists it. */
export interface Server {
  /** What the server is called; one with the same name and another endpoint is the same server at another place. */
  readonly name: string;
  readonly endpoint: Endpoint;
  /** Of what runs there, where the source knows: another one at the same endpoint is another server. */
  readonly instance?: string;
}

export interface Look {
  readonly servers: readonly Server[];
  /** For how long this is true, where the source says so. */
  readonly validMs?: number;
}

export interface Source {
  /** As the option says it. */
  readonly text: string;
  /** Throws, with a message for people, where the source does not respond or lists what makes no sense. */
  look(): Promise<Look>;
  /** Calls `onChange` when another look is worth it, from now on until `close`; such calls may be lost. */
  watch?(onChange: () => void): void;
  close(): void;
}
