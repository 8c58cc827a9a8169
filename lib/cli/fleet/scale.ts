/** `ringlb scale`: shows the size of the fleet and how it comes about, sets it, and sets what autoscaling keeps to. */
import type { ScaleView } from '../../api/scale.ts';
import type { Preview, ReplicaList } from '../../api/types.ts';
import { quote } from '../../config/suggest.ts';
import type { Call, Command } from '../command.ts';
import { counted, type Output, wrapped } from '../output.ts';
import { EXIT, type ExitStatus, wrongUsage } from '../usage.ts';
import { showList, showPreview } from './change.ts';

const NUMBERS = ['min', 'max', 'target'] as const;

/** What the fields of a request are called on the command line. */
const TYPED = { n: 'N', min: '--min', max: '--max', target: '--target' } as const;

export const SCALE: Command = {
  name: 'scale',
  operands: '[N]',
  summary: 'shows how the size comes about, or scales to N; returns once new replicas are healthy',
  help: [
    'Repeating scale N changes nothing. Replicas are removed as by ringlb rm N.',
    'The options set what autoscaling keeps to until the balancer ends; see --scale-max and its kin.',
  ],
  options: {
    min: { type: 'string', unit: 'number', help: 'minimum of autoscaling' },
    max: { type: 'string', unit: 'number', help: 'maximum of autoscaling; turns it on' },
    target: { type: 'string', unit: 'number', help: 'requests in flight or waiting for each replica' },
    pause: { type: 'boolean', help: 'keeps the size as it is' },
    resume: { type: 'boolean', help: 'ends a pause' },
    force: { type: 'boolean', help: 'with N: beyond the bounds of autoscaling, which are moved' },
    'dry-run': { type: 'boolean', help: 'shows what would happen, without changing anything' },
  },
  async run(call) {
    const settings = settingsOf(call);
    if (call.words.length > 0) {
      if (Object.keys(settings).length > 0)
        wrongUsage('N does not go with --min, --max, --target, --pause or --resume');
      return scaleTo(call, countIn(call.words));
    }
    if (call.has('force')) wrongUsage('--force goes with N');
    const { admin, output } = call;
    const isDry = call.has('dry-run');
    if (isDry && Object.keys(settings).length === 0)
      wrongUsage('say what to try: N, --min, --max, --target, --pause or --resume');
    const view = (
      Object.keys(settings).length === 0
        ? await admin.requestMessage('GET', '/scale')
        : await admin.requestMessage('PUT', isDry ? '/scale?dry-run' : '/scale', {
            body: settings,
            typed: TYPED,
          })
    ) as ScaleView;
    if (output.isJson) output.json(view);
    else show(output, view);
    return EXIT.done;
  },
};

async function scaleTo(call: Call, n: number): Promise<ExitStatus> {
  const { admin, output } = call;
  const isDry = call.has('dry-run');
  const body = { n, ...(call.has('force') && { force: true }) };
  const message = await admin.requestMessage('PUT', isDry ? '/scale?dry-run' : '/scale', {
    body,
    typed: TYPED,
  });
  if (output.isJson) output.json(message);
  else if (isDry) showPreview(output, message as Preview);
  else showList(output, message as ReplicaList);
  return EXIT.done;
}

/** What autoscaling is to keep to; empty where no option says. */
function settingsOf(call: Call): Readonly<Record<string, number | boolean>> {
  if (call.has('pause') && call.has('resume')) wrongUsage('--pause and --resume do not go together');
  const numbers = NUMBERS.flatMap((name) => {
    const text = call.value(name);
    if (text === undefined) return [];
    if (!/^\d{1,9}$/.test(text)) wrongUsage(`--${name} must be a whole number, not ${quote(text)}`);
    return [[name, Number(text)] as const];
  });
  const isSet = call.has('pause') || call.has('resume');
  return { ...Object.fromEntries(numbers), ...(isSet && { paused: call.has('pause') }) };
}

function countIn(words: readonly string[]): number {
  const [word = '', ...more] = words;
  if (more.length > 0 || !/^\d{1,9}$/.test(word))
    wrongUsage(`scale takes one whole number, not ${quote(words.join(' '))}`);
  const n = Number(word);
  if (n === 0) wrongUsage('the number must be 1 or more, not 0');
  return n;
}

/** Autoscaling in a line, such as `autoscaling on: 3 of 4 replicas ready, 2 to 10 at 16 requests each`. */
export function scaleLine({ state, n, ready, desired, min, max, target }: ScaleView): string {
  const size = `${ready} of ${counted(n, 'replica')} ready`;
  if (state === 'off') return `autoscaling off: ${size}`;
  const wanted = desired === n ? '' : `, ${desired} wanted`;
  return `autoscaling ${state}: ${size}${wanted}, ${min} to ${max} at ${counted(target, 'request')} each`;
}

/** Such as `process 4242 on box, admin port 127.0.0.1:5001, … acts for the pool`. */
function actingLine({ title, isSelf }: NonNullable<ScaleView['acting']>): string {
  return isSelf
    ? 'this balancer acts for the pool'
    : `${title} acts for the pool, by the load of all balancers`;
}

function show(output: Output, view: ScaleView): void {
  const { changed, dryRun, acting } = view;
  const lines = [
    `${dryRun === true ? 'would be ' : ''}${scaleLine(view)}`,
    ...(view.state === 'off' ? [] : [view.why]),
    ...(changed === null
      ? []
      : [`last change: ${changed.from} → ${changed.to} at ${changed.time}, ${changed.reason}`]),
    ...(acting === null ? [] : [actingLine(acting)]),
  ];
  for (const line of lines.flatMap((line) => wrapped(line, output.columns))) output.line(line);
}
