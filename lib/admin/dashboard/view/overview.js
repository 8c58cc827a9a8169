/**
 * The head of the page and the facts beside the ring: whether the balancer serves, since when, by which rules.
 * Must not hold: charts, replicas, the connection.
 */
import { byId, setAttribute, setText } from './dom.js';
import { count, duration } from './format.js';

/** @import { Snapshot } from '../../../api/snapshot.ts' */

export class Overview {
  #readiness = byId('readiness', HTMLElement);
  #readinessText = byId('readiness-text', HTMLElement);
  #uptime = byId('uptime', HTMLElement);
  #program = byId('program', HTMLElement);
  #algorithm = byId('fact-algorithm', HTMLElement);
  #slots = byId('fact-slots', HTMLElement);
  #version = byId('fact-version', HTMLElement);
  #imbalance = byId('fact-imbalance', HTMLElement);
  #say;
  /** @type {boolean | undefined} */
  #wasReady;

  /** @param {(sentence: string) => void} say */
  constructor(say) {
    this.#say = say;
  }

  /** @param {Snapshot} snapshot */
  show({ readiness, atMs, startedAtMs, version, driver, ring, eligible, desired }) {
    const { ready, draining, reason } = readiness;
    const isPartial = ready && eligible < desired;
    setAttribute(this.#readiness, 'data-ready', ready ? (isPartial ? 'partly' : 'yes') : 'no');
    const word = ready ? 'Ready' : draining ? 'Draining' : 'Not ready';
    setText(this.#readinessText, `${word}: ${reason.replace(/^The/, 'the')}`);
    setText(this.#uptime, `up ${duration(atMs - startedAtMs)}`);
    setText(this.#program, `${version} · ${driver}`);
    setText(
      this.#algorithm,
      ring.vnodes > 0 ? `${ring.algorithm}, ${count(ring.vnodes)} vnodes` : ring.algorithm,
    );
    setText(this.#slots, count(ring.slots));
    setText(this.#version, count(ring.version));
    setText(this.#imbalance, ring.imbalance.toFixed(3));
    if (this.#wasReady !== undefined && this.#wasReady !== ready) this.#say(`${word}: ${reason}`);
    this.#wasReady = ready;
  }

  /** What was so is not known any more. */
  forget() {
    setAttribute(this.#readiness, 'data-ready', 'unknown');
    setText(this.#readinessText, 'Not known');
    setText(this.#uptime, '');
  }
}
