/** The commands for new versions: `ringlb deploy` and `ringlb rollback`. */
import type {
  DeployPreview,
  DeployStarted,
  DeployStatus,
  DeployStep,
  DeployView,
  ReleaseView,
} from '../api/deploy.ts';
import { quote } from '../config/suggest.ts';
import { changeOf } from '../core/release-change.ts';
import type { Call, Command } from './command.ts';
import { type Column, duration, LEAST_NAME, type Output, printable, say, table, wrapped } from './output.ts';
import { sleepReferenced } from './sleep.ts';
import { CommandError, type CommandOption, EXIT, type ExitStatus, wrongUsage } from './usage.ts';

/** Between two looks at a deploy that is followed. */
const LOOK_MS = 300;

/** What the fields of a request are called on the command line. */
const TYPED = {
  image: 'IMAGE',
  command: '--command',
  env: '--env',
  batch: '--batch',
  watch: '--watch',
  maxErrorRate: '--max-error-rate',
} as const;

const FOLLOW_OPTIONS: Readonly<Record<string, CommandOption>> = {
  detach: { type: 'boolean', short: 'd', help: 'does not wait for its end' },
};

export const DEPLOY: Command = {
  name: 'deploy',
  operands: '[IMAGE]|resume|status',
  summary: 'brings a new version to every replica; exits 1 if it was rolled back',
  help: [
    'Each new instance starts beside the old one, takes over once it is healthy, and is watched.',
    'At the first failure everything is rolled back. ringlb deploy status shows how far it is.',
    'ringlb deploy resume goes on with one in the middle of which the balancer ended.',
  ],
  options: {
    command: { type: 'string', unit: 'command', help: 'command of a replica, or arguments of its image' },
    env: { type: 'string', unit: 'NAME=VALUE', help: 'environment variable; may be given several times' },
    batch: { type: 'string', unit: 'number', help: 'replicas that are replaced at a time; 1 if not given' },
    watch: { type: 'string', unit: 'duration', help: 'how long each is watched; 10s if not given' },
    'max-error-rate': {
      type: 'string',
      unit: 'ratio',
      help: 'part of its requests that may fail; 0.01 if not given',
    },
    restart: { type: 'boolean', help: 'starts every replica anew, with what it runs' },
    'dry-run': { type: 'boolean', help: 'shows what would happen, without changing anything' },
    follow: { type: 'boolean', short: 'f', help: 'status: follows it until its end' },
    ...FOLLOW_OPTIONS,
  },
  run(call) {
    const [word, ...more] = call.words;
    if (more.length > 0) wrongUsage('deploy takes one image, or resume, or status');
    if (word === 'status') {
      const extra = Object.keys(DEPLOY.options).find(
        (name) => name !== 'follow' && (call.has(name) || call.value(name) !== undefined),
      );
      if (extra !== undefined) wrongUsage(`--${extra} does not go with ringlb deploy status`);
      return showStatus(call);
    }
    if (call.has('follow')) wrongUsage('--follow goes with ringlb deploy status');
    if (call.has('dry-run') && call.has('detach')) wrongUsage('--detach does not go with --dry-run');
    return begin(call, bodyOf(call, word));
  },
};

export const ROLLBACK: Command = {
  name: 'rollback',
  operands: '',
  summary: 'takes back the deploy under way, or goes back to the version before',
  help: [],
  options: FOLLOW_OPTIONS,
  async run(call) {
    const before = await statusOf(call);
    const isOwn = ['running', 'rolling-back', 'interrupted'].includes(before.deploy?.state ?? '');
    const { id } = (await call.admin.requestMessage('DELETE', '/deploy')) as DeployStarted;
    if (call.has('detach')) return announce(call.output, id);
    const deploy = await follow(call, id);
    // of the deploy that it takes back, the rollback is the success
    return deploy.state === (isOwn ? 'rolled-back' : 'done') ? EXIT.done : EXIT.refused;
  },
};

function bodyOf(call: Call, word: string | undefined): object {
  const command = call.value('command');
  const variables = call.values('env');
  const limits = limitsOf(call);
  if (call.has('restart')) {
    if (command !== undefined || variables.length > 0 || word !== undefined)
      wrongUsage('restart changes nothing of the replicas: leave out what else is to be deployed');
    return { restart: true, ...limits };
  }
  if (word === 'resume') {
    if (command !== undefined || variables.length > 0)
      wrongUsage('resume changes nothing of what is deployed: leave out --command and --env');
    return { resume: true, ...limits };
  }
  if (word === undefined && command === undefined && variables.length === 0)
    wrongUsage('say what to deploy: IMAGE, --command, --env or --restart');
  return {
    ...(word !== undefined && { image: word }),
    ...(command !== undefined && { command }),
    ...(variables.length > 0 && { env: Object.fromEntries(variables.map(pairOf)) }),
    ...limits,
  };
}

function pairOf(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at < 1) wrongUsage('--env must be NAME=VALUE');
  return [text.slice(0, at), text.slice(at + 1)];
}

function limitsOf(call: Call): object {
  const [batch, watch, rate] = ['batch', 'watch', 'max-error-rate'].map((name) => call.value(name));
  if (batch !== undefined && !/^\d{1,5}$/.test(batch))
    wrongUsage(`--batch must be a whole number, not ${quote(batch)}`);
  const maxErrorRate = rate === undefined ? undefined : Number(rate || Number.NaN);
  if (maxErrorRate !== undefined && !(maxErrorRate >= 0 && maxErrorRate <= 1))
    wrongUsage(`--max-error-rate must be a number from 0 to 1, not ${quote(rate ?? '')}`);
  return {
    ...(batch !== undefined && { batch: Number(batch) }),
    ...(watch !== undefined && { watch }),
    ...(maxErrorRate !== undefined && { maxErrorRate }),
  };
}

async function begin(call: Call, body: object): Promise<ExitStatus> {
  const { admin, output } = call;
  if (call.has('dry-run')) {
    showPreview(
      output,
      (await admin.requestMessage('POST', '/deploy?dry-run', { body, typed: TYPED })) as DeployPreview,
    );
    return EXIT.done;
  }
  const { id } = (await admin.requestMessage('POST', '/deploy', { body, typed: TYPED })) as DeployStarted;
  if (call.has('detach')) return announce(output, id);
  const { state } = await follow(call, id);
  return state === 'done' ? EXIT.done : EXIT.refused;
}

function announce(output: Output, id: string): ExitStatus {
  if (output.isJson) output.json({ id });
  else say(output, `deploy ${id} has begun; ringlb deploy status -f follows it`);
  return EXIT.done;
}

function showPreview(output: Output, preview: DeployPreview): void {
  if (output.isJson) return output.json(preview);
  say(output, `would deploy ${printable(preview.to.title)} as generation ${preview.to.generation}`);
  for (const { name, from } of preview.replicas)
    say(output, `  ${name}  ${printable(from.title)} (generation ${from.generation})`);
}

async function statusOf({ admin }: Call): Promise<DeployStatus> {
  return (await admin.requestMessage('GET', '/deploy')) as DeployStatus;
}

async function showStatus(call: Call): Promise<ExitStatus> {
  const { output } = call;
  const status = await statusOf(call);
  const { deploy, current } = status;
  if (deploy !== null && isUnderWay(deploy) && call.has('follow')) {
    const { state } = await follow(call, deploy.id);
    return state === 'done' ? EXIT.done : EXIT.refused;
  }
  if (output.isJson) output.json(status);
  else if (deploy === null) say(output, `nothing was deployed; replicas run ${printable(current.title)}`);
  else show(output, deploy);
  return EXIT.done;
}

function isUnderWay({ state }: DeployView): boolean {
  return state === 'running' || state === 'rolling-back';
}

/** Shows every change until the deploy has ended, and returns it. */
async function follow(call: Call, id: string): Promise<DeployView> {
  const { output } = call;
  const shown = new Map<string, string>();
  for (;;) {
    const { deploy } = await statusOf(call);
    if (deploy?.id !== id) throw new CommandError(EXIT.refused, `deploy ${id} is not known any more`);
    if (!output.isJson)
      for (const step of deploy.replicas) {
        if (shown.get(step.name) === step.phase || step.phase === 'waiting') continue;
        shown.set(step.name, step.phase);
        say(output, lineOf(step));
      }
    if (!isUnderWay(deploy)) {
      if (output.isJson) output.json(deploy);
      else {
        showLastLines(output, deploy);
        say(output, endOf(output, deploy));
      }
      return deploy;
    }
    await sleepReferenced(LOOK_MS);
  }
}

function lineOf({ name, phase, gate }: DeployStep): string {
  const seen =
    gate === null || phase !== 'done'
      ? ''
      : `: ${gate.requests} requests, ${gate.errors} failed, p99 ${gate.p99Ms} ms`;
  return `${name}  ${phase}${seen}`;
}

function showLastLines(output: Output, { lastLines = [] }: Partial<DeployView>): void {
  if (lastLines.length === 0) return;
  say(output, 'the last lines of the new instance that failed:');
  for (const line of lastLines)
    for (const part of wrapped(printable(line), output.columns - 2)) output.line(`  ${part}`);
}

function endOf(output: Output, { state, to, reason, ms }: DeployView): string {
  const title = printable(to.title);
  if (state === 'done') return `${output.paint('green', 'done')}: ${title} in ${duration(ms)}`;
  const why = printable(reason ?? '');
  return `${output.paint('red', state)}: ${title} in ${duration(ms)}: ${why}`;
}

/** What tells a release from another. */
function releaseOf({ title, generation }: ReleaseView, other: ReleaseView): string {
  return title === other.title ? `generation ${generation}` : printable(title);
}

const COLUMNS: readonly Column<DeployStep>[] = [
  { title: 'REPLICA', cell: ({ name }) => name, least: LEAST_NAME },
  { title: 'PHASE', cell: ({ phase }) => phase },
  { title: 'FROM', cell: ({ from, to }) => releaseOf(from, to), least: LEAST_NAME, drop: 3 },
  { title: 'TO', cell: ({ from, to }) => releaseOf(to, from), least: LEAST_NAME, drop: 2 },
  { title: 'REQUESTS', align: 'right', cell: ({ gate }) => (gate === null ? '' : String(gate.requests)) },
  { title: 'FAILED', align: 'right', cell: ({ gate }) => (gate === null ? '' : String(gate.errors)) },
  { title: 'P99', align: 'right', drop: 1, cell: ({ gate }) => (gate === null ? '' : `${gate.p99Ms} ms`) },
];

function show(output: Output, deploy: DeployView): void {
  const { id, state, from, to, reason, ms } = deploy;
  const change = printable(changeOf(from, to));
  const time = `${isUnderWay(deploy) ? 'for' : 'after'} ${duration(ms)}`;
  if (state === 'interrupted') {
    say(output, `deploy ${id}: ${state}, ${change}`);
    say(output, 'ringlb deploy resume goes on with it, ringlb rollback takes it back');
  } else say(output, `deploy ${id}: ${state} ${time}, ${change}`);
  if (reason !== null) say(output, printable(reason));
  showLastLines(output, deploy);
  if (deploy.replicas.length === 0) return;
  output.line('');
  for (const line of table(COLUMNS, deploy.replicas, output.columns)) output.line(line);
}
