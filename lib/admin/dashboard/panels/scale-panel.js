/** The panel of the fleet's size: how many replicas there are and should be, and how autoscaling decides on it. */
import { byId, setAttribute, setText } from '../view/dom.js';
import { actingOf, changeOf, sizeOf, stateOf } from './scale-text.js';

/** @import { ScaleView } from '../../../api/scale.ts' */
/** @import { Snapshot } from '../../../api/snapshot.ts' */
/** @import { Api } from '../data/api.js' */

export class ScalePanel {
  #panel = byId('scale', HTMLElement);
  #size = byId('scale-size', HTMLElement);
  #state = byId('scale-state', HTMLElement);
  #why = byId('scale-why', HTMLElement);
  #change = byId('scale-change', HTMLElement);
  #acting = byId('scale-acting', HTMLElement);
  #set = byId('scale-set', HTMLButtonElement);
  #bounds = byId('scale-bounds', HTMLButtonElement);
  #pause = byId('scale-pause', HTMLButtonElement);
  /** @type {ScaleView | undefined} */
  #scale;

  /**
   * @param {Api} api
   * @param {(sentence: string) => void} onDone
   */
  constructor(api, onDone) {
    this.#pause.addEventListener('click', () => void this.#setPaused(api, onDone));
  }

  /** The size as it is last known. */
  get scale() {
    return this.#scale;
  }

  /** @param {Snapshot} snapshot */
  show({ scale, canScale, atMs }) {
    this.#scale = scale;
    const isOff = scale.state === 'off';
    this.#panel.hidden = !canScale;
    setText(this.#size, sizeOf(scale));
    setText(this.#state, stateOf(scale));
    setAttribute(this.#state, 'data-state', scale.state);
    setText(this.#why, isOff ? '' : scale.why);
    setText(this.#change, changeOf(scale, atMs));
    setText(this.#acting, actingOf(scale));
    this.#acting.hidden = scale.acting === null;
    setText(this.#pause, scale.state === 'paused' ? 'Resume' : 'Pause');
    this.#pause.hidden = isOff;
    this.#bounds.hidden = isOff;
  }

  /** False while the balancer does not respond. @param {boolean} isUsable */
  set isUsable(isUsable) {
    for (const button of [this.#set, this.#bounds, this.#pause]) button.disabled = !isUsable;
  }

  /**
   * @param {Api} api
   * @param {(sentence: string) => void} onDone
   */
  async #setPaused(api, onDone) {
    const paused = this.#scale?.state !== 'paused';
    try {
      await api.repeat('PUT', 'scale', { paused });
      onDone(paused ? 'Autoscaling is paused.' : 'Autoscaling goes on.');
    } catch (error) {
      onDone(error instanceof Error ? error.message : String(error));
    }
  }
}
