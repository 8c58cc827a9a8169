/** The page: makes its parts and hands them what the balancer says. */

import { Charts } from './charts/charts.js';
import { Api } from './data/api.js';
import { Link } from './data/link.js';
import { Token } from './data/token.js';
import { ChangeDialog } from './dialogs/change-dialog.js';
import { DeployDialog } from './dialogs/deploy-dialog.js';
import { DrainDialog } from './dialogs/drain-dialog.js';
import { ScaleDialog } from './dialogs/scale-dialog.js';
import { ConfigPanel } from './panels/config-panel.js';
import { DeployPanel } from './panels/deploy-panel.js';
import { LogPanel } from './panels/log-panel.js';
import { ScalePanel } from './panels/scale-panel.js';
import { ReplicaTable } from './replicas/replica-table.js';
import { Ring } from './ring/ring.js';
import { Banner } from './view/banner.js';
import { byId, setText } from './view/dom.js';
import { EventList } from './view/event-list.js';
import { Headline } from './view/headline.js';
import { openWithToken } from './view/links.js';
import { Overview } from './view/overview.js';

/** @import { History, Snapshot } from '../../api/snapshot.ts' */
/** @import { LinkState } from './data/link.js' */
/** @import { Action } from './replicas/replica-row.js' */
/** @import { RingView } from '../../api/types.ts' */

const NOTICE_MS = 8000;

const add = byId('add', HTMLButtonElement);
const remove = byId('remove', HTMLButtonElement);
const showLogs = byId('logs', HTMLButtonElement);
const showConfig = byId('config', HTMLButtonElement);
const startDeploy = byId('deploy-open', HTMLButtonElement);
const rollBack = byId('deploy-back', HTMLButtonElement);
const notice = byId('notice', HTMLElement);

/** @type {Snapshot | undefined} */
let latest;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let noticeTimer;

const token = new Token(() => link.reopen());
const api = new Api(token);
const banner = new Banner(() => link.tryNow());
const headline = new Headline((sentence) => banner.say(sentence));
const overview = new Overview();
const charts = new Charts(
  async (replica, afterMs) =>
    /** @type {History} */ (
      await api.repeat('GET', `history?replica=${encodeURIComponent(replica)}&after=${afterMs}`)
    ),
  (replica) => table.choose(replica),
);
const logs = new LogPanel(token, () => latest?.replicas.map(({ name }) => name) ?? []);
const config = new ConfigPanel(api);
const size = new ScalePanel(api, tell);
const resize = new ScaleDialog(api, tell);
const deploys = new DeployPanel(api);
const deploy = new DeployDialog(api, (sentence) => {
  tell(sentence);
  void deploys.refresh();
});
const events = new EventList((replica, instance) => logs.open(replica, instance));
const change = new ChangeDialog(api, tell);
const drain = new DrainDialog(api, tell);
const table = new ReplicaTable(act, point);
const ring = new Ring(
  async (sample) => /** @type {RingView} */ (await api.repeat('GET', `ring?sample=${sample}`)),
  point,
  (name) => charts.narrow(name),
);
const link = new Link(token, {
  onState,
  onSnapshot,
  onHistory: (history) => charts.load(history),
  onEvents(lines, isFirst) {
    headline.addEvents(lines, isFirst);
    charts.addEvents(lines, isFirst);
    events.add(lines, isFirst);
    if (isFirst || lines.some(({ kind }) => kind.startsWith('deploy-'))) void deploys.refresh();
    if (!isFirst && lines.some(({ kind }) => kind === 'config-changed')) void config.refresh();
  },
});

add.addEventListener('click', () => change.open('add'));
remove.addEventListener('click', () => change.open('remove'));
showLogs.addEventListener('click', () => logs.open());
byId('scale-set', HTMLButtonElement).addEventListener(
  'click',
  () => size.scale && resize.openSize(size.scale),
);
byId('scale-bounds', HTMLButtonElement).addEventListener(
  'click',
  () => size.scale && resize.openBounds(size.scale),
);
startDeploy.addEventListener(
  'click',
  () => deploys.status && deploy.open(deploys.status, latest?.driver === 'docker'),
);
rollBack.addEventListener('click', () => deploys.status && deploy.openRollback(deploys.status));
showConfig.addEventListener('click', () => config.open());
openWithToken(document.querySelectorAll('.links a'), token);
void link.run();

/** @param {LinkState} state */
function onState(state) {
  banner.show(state);
  if (state.kind === 'live') return logs.tryNow();
  headline.forget();
  overview.forget();
  charts.breakOff();
  deploys.stop();
  setUsable(false);
}

/** @param {Snapshot} snapshot */
function onSnapshot(snapshot) {
  // another version of the balancer has another version of this page
  if (latest !== undefined && latest.version !== snapshot.version) return location.reload();
  latest = snapshot;
  banner.noteSnapshot(snapshot.atMs);
  headline.show(snapshot);
  overview.show(snapshot);
  charts.add(snapshot);
  ring.draw(snapshot);
  table.show(snapshot);
  size.show(snapshot);
  deploys.isPossible = snapshot.canDeploy;
  setUsable(true);
}

/** What changes the fleet waits until it is known. @param {boolean} isLive */
function setUsable(isLive) {
  const { canScale = false, hasLogs = false, desired = 0, limits } = latest ?? {};
  add.disabled = !isLive || !canScale || desired >= (limits?.maxReplicas ?? 0);
  remove.disabled = !isLive || !canScale || desired === 0;
  deploys.isUsable = isLive;
  size.isUsable = isLive;
  showLogs.hidden = latest !== undefined && !hasLogs;
  document.body.classList.toggle('without-logs', !hasLogs);
  for (const button of [
    showLogs,
    showConfig,
    ...document.querySelectorAll(':is(.row-actions, .events) button'),
  ])
    if (button instanceof HTMLButtonElement) button.disabled = !isLive;
}

/**
 * @param {Action} action
 * @param {string} name
 */
function act(action, name) {
  const replica = latest?.replicas.find((one) => one.name === name);
  if (action === 'show') charts.narrow(charts.of === name ? undefined : name);
  else if (action === 'log') logs.open(name);
  else if (action === 'remove') change.open('remove', [name]);
  else if (action === 'undrain') void drain.undrain(name);
  else if (replica !== undefined) drain.open(replica);
}

/** @param {string | undefined} name */
function point(name) {
  ring.point(name);
  table.point(name);
}

/** Shows and speaks what came of something that was done. @param {string} sentence */
function tell(sentence) {
  banner.say(sentence);
  setText(notice, sentence);
  notice.hidden = false;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => {
    notice.hidden = true;
  }, NOTICE_MS);
}
