/**
 * The panel of deploys: what runs, how far a deploy is, and what its gate saw of each replica. It asks for the state
 * when an event says that it changed, and every second while a deploy is under way.
 */
import { byId, html, scrollable, setAttribute, setText } from '../view/dom.js';
import { plural } from '../view/format.js';
import {
  doneIn,
  gateOf,
  isUnderWay,
  limitsOf,
  PHASES,
  releaseOf,
  releasesOf,
  summaryOf,
} from './deploy-text.js';

/** @import { Api } from '../data/api.js' */
/** @import { DeployStatus, DeployStep, DeployView } from '../../../api/deploy.ts' */

const LOOK_MS = 1000;

export class DeployPanel {
  #api;
  #panel = byId('deploy', HTMLElement);
  #current = byId('deploy-current', HTMLElement);
  #says = byId('deploy-says', HTMLElement);
  #line = byId('deploy-line', HTMLElement);
  #lineText = byId('deploy-line-text', HTMLElement);
  #progress = byId('deploy-progress', HTMLProgressElement);
  #linesText = html('pre', {});
  #lines = html(
    'figure',
    { class: 'deploy-lines', hidden: '' },
    html('figcaption', {}, 'The last lines of the new instance that failed'),
    this.#linesText,
  );
  #details = byId('deploy-details', HTMLDetailsElement);
  #detailsTitle = byId('deploy-details-title', HTMLElement);
  #rows = byId('deploy-rows', HTMLTableSectionElement);
  #start = byId('deploy-open', HTMLButtonElement);
  #back = byId('deploy-back', HTMLButtonElement);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** The deploy whose replicas were shown or hidden by its state. */
  #opened = '';
  /** @type {DeployStatus | undefined} */
  status;

  /** @param {Api} api */
  constructor(api) {
    this.#api = api;
    scrollable(byId('deploy-box', HTMLElement), 'Replicas of the deploy');
    scrollable(this.#linesText, 'Last lines of the new instance that failed');
    byId('deploy-progress', HTMLProgressElement).after(this.#lines);
  }

  /** False where the balancer cannot deploy; the panel is hidden then. @param {boolean} isPossible */
  set isPossible(isPossible) {
    this.#panel.hidden = !isPossible;
  }

  /** False while the balancer does not respond. @param {boolean} isUsable */
  set isUsable(isUsable) {
    const deploy = this.status?.deploy ?? null;
    // a second deploy would be refused
    this.#start.disabled = !isUsable || this.status === undefined || (deploy !== null && isUnderWay(deploy));
    this.#back.disabled = !isUsable || this.status === undefined;
  }

  /** Asks for the state, and again until nothing is under way. */
  async refresh() {
    clearTimeout(this.#timer);
    try {
      this.status = /** @type {DeployStatus} */ (await this.#api.repeat('GET', 'deploy'));
    } catch {
      // the page says that the connection is lost; with the next stream it is asked again
      return;
    }
    this.#show(this.status);
    this.isUsable = true;
    const { deploy } = this.status;
    if (deploy === null || !isUnderWay(deploy)) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.refresh(), LOOK_MS);
  }

  /** What is known is not true for ever. */
  stop() {
    clearTimeout(this.#timer);
  }

  /** @param {DeployStatus} status */
  #show(status) {
    const { deploy, current } = status;
    const { level, text } = summaryOf(status);
    const isRunning = deploy !== null && isUnderWay(deploy);
    setText(this.#current, `Runs ${releaseOf(current)}`);
    setText(this.#says, text);
    setAttribute(this.#says, 'data-level', level);
    this.#line.hidden = !isRunning && deploy?.state !== 'failed' && deploy?.state !== 'interrupted';
    setAttribute(this.#line, 'data-level', level);
    setText(this.#lineText, text);
    this.#progress.hidden = !isRunning;
    const lines = deploy?.lastLines ?? [];
    this.#lines.hidden = lines.length === 0;
    setText(this.#linesText, lines.join('\n'));
    this.#details.hidden = deploy === null;
    if (deploy === null) return;
    this.#progress.max = Math.max(1, deploy.replicas.length);
    this.#progress.value = doneIn(deploy);
    setText(this.#detailsTitle, `${plural(deploy.replicas.length, 'replica')}; ${limitsOf(deploy)}`);
    this.#rows.replaceChildren(...deploy.replicas.map(rowOf));
    this.#openFor(deploy, isRunning);
  }

  /**
   * Open while a deploy runs and once it failed, unless somebody decides otherwise.
   * @param {DeployView} deploy @param {boolean} isRunning
   */
  #openFor({ id, state }, isRunning) {
    const opened = `${id} ${state}`;
    if (opened === this.#opened) return;
    this.#opened = opened;
    this.#details.open = isRunning || state !== 'done';
  }
}

/** @param {DeployStep} step */
function rowOf(step) {
  const { name, phase } = step;
  const [from = '', to = ''] = releasesOf(step);
  const { own, rest } = gateOf(step);
  const [requests = '', failed = '', p99 = ''] = own;
  return html(
    'tr',
    { 'data-phase': phase },
    html('th', { scope: 'row' }, name),
    html('td', { class: 'phase' }, PHASES[phase]),
    html('td', { class: 'release' }, from),
    html('td', { class: 'release' }, to),
    numberOf('requests', requests),
    numberOf('failed', failed),
    numberOf('p99', p99),
    html('td', { class: 'rest' }, rest),
  );
}

/** A cell whose label shows where rows are lines of text. @param {string} label @param {string} text */
function numberOf(label, text) {
  return html('td', { class: text === '–' ? 'number none' : 'number', 'data-label': label }, text);
}
