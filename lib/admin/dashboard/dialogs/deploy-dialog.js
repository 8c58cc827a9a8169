/**
 * Starting a deploy and taking one back: first what it would do, then doing it.
 * Invariant: what is deployed is what the preview was of.
 */
import { BrokenConnection } from '../data/api.js';
import { isUnderWay, releaseOf } from '../panels/deploy-text.js';
import { byId, html, setText } from '../view/dom.js';
import { plural } from '../view/format.js';
import { addDeployDialog } from './deploy-form.js';
import { orderOf } from './deploy-order.js';

/** @import { DeployPreview, DeployStatus } from '../../../api/deploy.ts' */
/** @import { Api } from '../data/api.js' */

const MOST_NAMED = 5;

addDeployDialog();

export class DeployDialog {
  #dialog = byId('deploy-dialog', HTMLDialogElement);
  #form = byId('deploy-form', HTMLFormElement);
  #heading = byId('deploy-dialog-heading', HTMLElement);
  #fields = byId('deploy-fields', HTMLFieldSetElement);
  #kind = byId('deploy-kind', HTMLSelectElement);
  #resume = byId('deploy-resume', HTMLOptionElement);
  #change = byId('deploy-change', HTMLElement);
  #imageRow = byId('deploy-image-row', HTMLElement);
  #text = byId('deploy-text', HTMLElement);
  #rows = byId('deploy-preview-rows', HTMLTableSectionElement);
  #moves = byId('deploy-preview', HTMLTableElement);
  #problem = byId('deploy-problem', HTMLElement);
  #do = byId('deploy-do', HTMLButtonElement);
  #api;
  #onDone;
  /** What the preview was of; undefined where there is none, and a press asks for one. @type {object | undefined} */
  #previewed;
  #isRollback = false;
  #openings = 0;

  /**
   * @param {Api} api
   * @param {(sentence: string) => void} onDone
   */
  constructor(api, onDone) {
    this.#api = api;
    this.#onDone = onDone;
    byId('deploy-cancel', HTMLButtonElement).addEventListener('click', () => this.#dialog.close());
    this.#form.addEventListener('input', () => this.#changed());
    this.#form.addEventListener('submit', (submitted) => {
      submitted.preventDefault();
      if (this.#do.disabled) return;
      void (this.#previewed === undefined ? this.#preview() : this.#deploy(this.#previewed));
    });
  }

  /**
   * @param {DeployStatus} status
   * @param {boolean} hasImages false where replicas are commands
   */
  open({ deploy }, hasImages) {
    this.#begin('Deploy', false);
    const isInterrupted = deploy?.state === 'interrupted';
    this.#resume.hidden = !isInterrupted;
    if (isInterrupted || this.#kind.value === 'resume')
      this.#kind.value = isInterrupted ? 'resume' : 'change';
    this.#imageRow.hidden = !hasImages;
    this.#changed();
    this.#dialog.showModal();
    this.#kind.focus();
  }

  /** @param {DeployStatus} status */
  openRollback({ deploy, before }) {
    this.#begin('Roll back', true);
    this.#dialog.showModal();
    byId('deploy-cancel', HTMLButtonElement).focus();
    if (deploy !== null && isUnderWay(deploy))
      return this.#ready(
        {},
        `Takes back what the deploy under way has done: all replicas run ${releaseOf(deploy.from)} again.`,
      );
    if (before === null && deploy?.state !== 'interrupted')
      return this.#refuse('Nothing was deployed before, so there is nothing to go back to.');
    void this.#preview();
  }

  /** @param {string} heading @param {boolean} isRollback */
  #begin(heading, isRollback) {
    this.#openings++;
    this.#isRollback = isRollback;
    setText(this.#heading, heading);
    this.#fields.hidden = isRollback;
    this.#fields.disabled = false;
    this.#do.className = isRollback ? 'danger' : 'primary';
    this.#clear();
  }

  /** A preview of something else is of no use. */
  #changed() {
    this.#change.hidden = this.#kind.value !== 'change';
    this.#clear();
  }

  #clear() {
    this.#previewed = undefined;
    setText(this.#text, this.#isRollback ? 'Working it out…' : 'A preview shows what would be replaced.');
    setText(this.#problem, '');
    setText(this.#do, this.#isRollback ? 'Roll back' : 'Preview');
    this.#do.disabled = this.#isRollback;
    this.#showReplicas([]);
  }

  async #preview() {
    const opening = this.#openings;
    const order = this.#isRollback ? { rollback: true } : this.#order();
    if (order === undefined) return;
    setText(this.#text, 'Looking for what is to be deployed…');
    this.#do.disabled = true;
    try {
      const preview = /** @type {DeployPreview} */ (await this.#api.repeat('POST', 'deploy?dry-run', order));
      if (this.#openings !== opening || !this.#dialog.open) return;
      const { to, replicas } = preview;
      this.#ready(
        order,
        `${plural(replicas.length, 'replica')} would run ${releaseOf(to)}, those with the fewest requests in flight first.`,
        replicas.length,
      );
      this.#showReplicas(replicas);
    } catch (error) {
      if (this.#openings === opening) this.#refuse(messageOf(error));
    }
  }

  /** What the fields say; undefined where they say nothing that can be deployed, and a sentence says so. */
  #order() {
    const fields = Object.fromEntries(
      [...new FormData(this.#form)].map(([name, value]) => [name, `${value}`]),
    );
    if (this.#imageRow.hidden) fields.image = '';
    const { order, problem } = orderOf(fields);
    if (order === undefined) this.#refuse(problem);
    return order;
  }

  /**
   * @param {object} order
   * @param {string} text
   * @param {number} [amount]
   */
  #ready(order, text, amount) {
    this.#previewed = order;
    setText(this.#text, text);
    const whom = amount === undefined ? '' : ` ${plural(amount, 'replica')}`;
    setText(this.#do, this.#isRollback ? `Roll back${whom}` : `Deploy to${whom}`);
    this.#do.disabled = false;
  }

  /** @param {string} problem */
  #refuse(problem) {
    setText(this.#text, 'Nothing can be deployed as it stands.');
    setText(this.#problem, problem);
    this.#do.disabled = this.#isRollback;
  }

  /** @param {DeployPreview['replicas']} replicas */
  #showReplicas(replicas) {
    const shown = replicas.slice(0, MOST_NAMED);
    const rows = shown.map(({ name, from }) =>
      html('tr', {}, html('th', { scope: 'row' }, name), html('td', {}, releaseOf(from))),
    );
    const more = replicas.length - shown.length;
    if (more > 0)
      rows.push(html('tr', {}, html('td', { colspan: '2' }, `and ${plural(more, 'more replica')}`)));
    this.#rows.replaceChildren(...rows);
    this.#moves.hidden = rows.length === 0;
  }

  /** @param {object} order */
  async #deploy(order) {
    const opening = this.#openings;
    const isStillThere = () => this.#dialog.open && this.#openings === opening;
    this.#do.disabled = true;
    this.#fields.disabled = true;
    try {
      if (this.#isRollback) await this.#api.call('DELETE', 'deploy');
      else await this.#api.call('POST', 'deploy', order);
      if (isStillThere()) this.#dialog.close();
      this.#onDone(this.#isRollback ? 'The rollback has begun.' : 'The deploy has begun.');
    } catch (error) {
      const isBroken = error instanceof BrokenConnection;
      const text = isBroken
        ? 'The connection broke; the panel shows whether it has begun.'
        : messageOf(error);
      if (!isStillThere()) return this.#onDone(text);
      this.#refuse(text);
      this.#fields.disabled = false;
    }
  }
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}
