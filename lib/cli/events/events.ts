/** `ringlb events`: lists past events of the fleet, and with `-f` follows new ones. */
import type { EventsView, FleetEvent } from '../../api/types.ts';
import { quote } from '../../config/suggest.ts';
import type { Call, Command } from '../command.ts';
import { table } from '../output.ts';
import { EXIT, type ExitStatus, wrongUsage } from '../usage.ts';
import { EventLines, eventColumns } from './columns.ts';
import { followStream } from './follow.ts';

/** Default of --limit with --follow. */
const FOLLOWED = '10';

export const EVENTS: Command = {
  name: 'events',
  operands: '',
  summary: 'lists events of the fleet, and follows new ones with -f',
  help: ['With -f it reconnects when the balancer restarts; with --json each event is then a line.'],
  options: {
    follow: { type: 'boolean', short: 'f', help: 'follows new events, until Ctrl-C' },
    limit: {
      type: 'string',
      short: 'n',
      unit: 'number',
      help: `maximum of past events, 0 for none; with -f ${FOLLOWED} if not given`,
    },
  },
  run: (call) => (call.has('follow') ? follow(call) : list(call)),
};

function limitOf(call: Call): string | undefined {
  const limit = call.value('limit');
  if (limit !== undefined && !/^\d{1,6}$/.test(limit))
    wrongUsage(`--limit must be a whole number from 0 to 999999, not ${quote(limit)}`);
  return limit;
}

async function list(call: Call): Promise<ExitStatus> {
  const { admin, output } = call;
  const limit = limitOf(call);
  const message = (await admin.requestMessage(
    'GET',
    limit === undefined ? '/events' : `/events?limit=${limit}`,
  )) as EventsView;
  if (output.isJson) output.json(message);
  else if (message.events.length === 0) output.line('no events');
  else for (const line of table(eventColumns(output), message.events, output.columns)) output.line(line);
  return EXIT.done;
}

/** Follows until the process ends; throws if the balancer refuses, or is unreachable at the beginning. */
async function follow(call: Call): Promise<never> {
  const limit = limitOf(call) ?? FOLLOWED;
  const lines = new EventLines(call.output);
  const show = (event: FleetEvent): void => {
    if (call.output.isJson) call.output.json(event, 'line');
    else call.output.line(lines.lineOf(event));
  };
  return followStream(call, `/events?limit=${limit}`, (data) => show(data as FleetEvent));
}
