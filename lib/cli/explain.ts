/** `ringlb explain`: shows which replica a key or a request is routed to, and why. */
import type { ExplainStop, ExplainView } from '../api/types.ts';
import { quote } from '../config/suggest.ts';
import { isToken } from '../core/http-token.ts';
import type { Call, Command } from './command.ts';
import { type Column, LEAST_NAME, type Output, padded, printable, table, wrapped } from './output.ts';
import { painted } from './status.ts';
import { EXIT, wrongUsage } from './usage.ts';

export const EXPLAIN: Command = {
  name: 'explain',
  operands: 'KEY | --path PATH [--header NAME=VALUE]...',
  summary: 'shows which replica a key or a request would go to now, and why',
  help: [
    'A request is routed by the first source of the balancer’s hash-key that it has. BOUND is the limit',
    'of requests in flight that the bounded load allows a replica now, MOST the limit at any time.',
  ],
  options: {
    path: { type: 'string', unit: 'path', help: 'explains a request for this path, with its query' },
    header: {
      type: 'string',
      unit: 'NAME=VALUE',
      help: 'and this header; may be given several times',
    },
  },
  async run(call) {
    const message = (await call.admin.requestMessage('GET', `/explain?${queryOf(call)}`, {
      typed: { key: 'KEY', path: '--path' },
    })) as ExplainView;
    if (call.output.isJson) call.output.json(message);
    else show(call.output, message);
    return EXIT.done;
  },
};

function queryOf(call: Call): string {
  const [key, ...more] = call.words;
  const path = call.value('path');
  const headers = call.values('header');
  if (more.length > 0) wrongUsage('explain takes one key; put one with blanks in quotes');
  const query = new URLSearchParams();
  if (key !== undefined) {
    if (path !== undefined || headers.length > 0)
      wrongUsage('a key, or a request (--path, --header), not both');
    query.set('key', key);
    return String(query);
  }
  if (path === undefined && headers.length === 0) wrongUsage('say which key, or which request with --path');
  query.set('path', path ?? '/');
  for (const pair of headers) {
    const [, name, value = ''] =
      /^\s*([^=\s]+)=(.*)$/s.exec(pair) ?? wrongUsage('--header must be NAME=VALUE');
    if (!isToken(name ?? '')) wrongUsage(`--header: ${quote(name ?? '')} is not the name of a header`);
    query.append(`header.${name}`, value);
  }
  return String(query);
}

const LABEL = 9;

function show(output: Output, explanation: ExplainView): void {
  const { key, source, hashHex, algorithm, slot, slots, owner, replica, why, successors } = explanation;
  const say = (label: string, words: string): void => {
    for (const [at, line] of wrapped(words, output.columns - LABEL).entries())
      output.line(padded(at === 0 ? label : '', LABEL) + line);
  };
  if (explanation.reason === 'sticky') say('cookie', `${printable(key)} (${printable(source)})`);
  else if (slot === null) say('key', `none, given by load (${printable(source)})`);
  else {
    say('key', `${printable(key)} (${printable(source)})`);
    say('slot', `${slot} of ${slots}, by ${algorithm} from hash ${hashHex}`);
    say('owner', owner ?? 'none');
  }
  say('goes to', `${output.paint('bold', replica ?? 'nobody')}: ${printable(why)}`);
  if (successors.length === 0) return;
  output.line('');
  for (const line of table(columns(output), successors, output.columns)) output.line(line);
}

function columns(output: Output): readonly Column<ExplainStop>[] {
  return [
    { title: 'IN ORDER', cell: ({ name }) => name, least: LEAST_NAME },
    {
      title: 'STATE',
      cell: ({ state, draining }) => painted(output, draining && state === 'healthy' ? 'drained' : state),
    },
    { title: 'IN FLIGHT', align: 'right', cell: ({ inFlight }) => String(inFlight), drop: 1 },
    { title: 'BOUND', align: 'right', cell: ({ bound }) => String(bound), drop: 2 },
    { title: 'MOST', align: 'right', cell: ({ cap }) => String(cap), drop: 3 },
    { title: 'VERDICT', cell: ({ verdict }) => verdict.replaceAll('-', ' ') },
  ];
}
