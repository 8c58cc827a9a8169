/**
 * Facts of the balancer: since when it runs, which version, and the table that it routes by.
 */
import { byId, setText } from './dom.js';
import { count, duration } from './format.js';

/** @import { Snapshot } from '../../../api/snapshot.ts' */

export class Overview {
  #uptime = byId('uptime', HTMLElement);
  #program = byId('program', HTMLElement);
  #algorithm = byId('fact-algorithm', HTMLElement);
  #slots = byId('fact-slots', HTMLElement);
  #version = byId('fact-version', HTMLElement);
  #imbalance = byId('fact-imbalance', HTMLElement);

  /** @param {Snapshot} snapshot */
  show({ atMs, startedAtMs, version, driver, ring }) {
    setText(this.#uptime, `up ${duration(atMs - startedAtMs)}`);
    setText(this.#program, `${version} · ${driver}`);
    setText(
      this.#algorithm,
      ring.vnodes > 0 ? `${ring.algorithm}, ${count(ring.vnodes)} vnodes` : ring.algorithm,
    );
    setText(this.#slots, count(ring.slots));
    setText(this.#version, count(ring.version));
    setText(this.#imbalance, ring.imbalance.toFixed(3));
  }

  /** What was so is not known any more. */
  forget() {
    setText(this.#uptime, '');
  }
}
