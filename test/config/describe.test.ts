import assert from 'node:assert/strict';
import { it } from 'node:test';
import { loadSettings } from '../../lib/config/config.ts';
import { describeOptions } from '../../lib/config/describe.ts';
import { splitCommandLine } from '../../lib/config/flags.ts';
import { KEYS } from '../../lib/config/options.ts';

function viewOf(line: string, environment = {}) {
  const settings = loadSettings(splitCommandLine(line.split(' ').filter(Boolean)).flags, environment, []);
  const options = describeOptions(settings);
  return { all: options, of: (name: string) => options.find(({ option }) => option === name)! };
}

it('every option is described, in the order of the table', () => {
  assert.equal(viewOf('').all.length, KEYS.length);
});

it('an option is described with its value and source', () => {
  const { of } = viewOf('--rise 7', { LB_FALL: '8' });
  const pick = ({ value, source, from, takes }: ReturnType<typeof of>) => [value, source, from, takes];
  assert.deepEqual(pick(of('rise')), ['7', 'flag', '--rise', 'live']);
  assert.deepEqual(pick(of('fall')), ['8', 'environment', 'LB_FALL', 'live']);
  assert.deepEqual(pick(of('port')), ['5000', 'default', null, 'start']);
});

it('an option that follows from others is described with its result', () => {
  const { of } = viewOf('--classic --workers 3');
  assert.deepEqual([of('slots').value, of('algorithm').value, of('workers').value], ['512', 'classic', '3']);
});

it('a secret is never shown', () => {
  const token = 'do-not-show-this';
  const { all, of } = viewOf(`--admin-token ${token}`, { LB_PROBE_HEADER: `Authorization: ${token}` });
  assert.deepEqual([of('admin-token').value, of('probe-header').value], ['•••', '•••']);
  assert.ok(!JSON.stringify(all).includes(token));
  assert.equal(viewOf('').of('admin-token').value, '');
});

it("a replica's variable is secret, and a list is shown whole", () => {
  const { of } = viewOf(
    '--env PASSWORD=hunter2 --env A=1 --replica-label a=1 --replica-label b=2 --driver docker',
  );
  assert.deepEqual([of('env').value, of('replica-label').value], ['•••', 'a=1\nb=2']);
});
