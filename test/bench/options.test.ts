/** The benchmark's command line, its ways of reading other programs, and how it splits the cores. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { complaint, parseCount } from '../../bench/proxy/backends.ts';
import { splitCores } from '../../bench/proxy/machine.ts';
import { parseOptions } from '../../bench/proxy/options.ts';

test('without arguments every case runs and results are written', () => {
  const options = parseOptions([])!;
  assert.ok(options.cases.includes('small') && options.cases.includes('workers2'));
  assert.deepEqual(options.peers, []);
  assert.deepEqual([options.rounds, options.write], [5, true]);
});

test('cases and peers are picked by name', () => {
  const options = parseOptions([
    '--only',
    '64k,small',
    '--peers',
    'ringlb,nginx',
    '--rounds',
    '3',
    '--seconds',
    '0.5',
  ])!;
  assert.deepEqual(options.cases, ['small', '64k']);
  assert.deepEqual(options.peers, ['ringlb', 'nginx']);
  assert.deepEqual([options.rounds, options.seconds], [3, 0.5]);
});

test('a partial run replaces results only when told to', () => {
  assert.equal(parseOptions(['--quick'])?.write, false);
  assert.equal(parseOptions(['--peers', 'nginx'])?.write, false);
  assert.equal(parseOptions(['--quick', '--write'])?.write, true);
  assert.equal(parseOptions(['--no-write'])?.write, false);
});

test('with --sticky ringlb is measured with and without it', () => {
  const { peers, sticky, write } = parseOptions(['--only', 'small', '--sticky'])!;
  assert.deepEqual([peers, sticky, write], [['ringlb', 'ringlb-sticky'], true, false]);
  assert.equal(parseOptions([])!.sticky, false);
});

test('an unknown name or a bad number is refused by name', () => {
  assert.throws(() => parseOptions(['--only', 'tiny']), /no case 'tiny'/);
  assert.throws(() => parseOptions(['--peers', 'apache']), /no peer 'apache'/);
  assert.throws(() => parseOptions(['--rounds', '2.5']), /'2.5' must be a whole number/);
  assert.throws(() => parseOptions(['--seconds', '0']), /'0' must be a number above zero/);
});

test('asking for help gives no options', () => {
  assert.equal(parseOptions(['--help']), undefined);
});

test('the count is stub_status’s third number or the sink’s only one', () => {
  const status =
    'Active connections: 65 \nserver accepts handled requests\n 71 70 123456 \nReading: 0 Writing: 1 Waiting: 64 \n';
  assert.equal(parseCount(status), 123_456);
  assert.equal(parseCount('42'), 42);
  assert.throws(() => parseCount('<html>404</html>'), /not a count/);
});

test('the line that names an error is shown', () => {
  assert.equal(
    complaint('node:internal:1\n  throw err;\n\nError: no such file\n  at load\n'),
    'Error: no such file',
  );
  assert.equal(complaint('starting\nport is taken\n'), 'port is taken');
  assert.equal(complaint(''), 'it printed nothing');
});

test('the last core is the peer’s, the others the load’s', () => {
  assert.deepEqual(splitCores([0, 1, 4]), { peer: [4], load: [0, 1], all: [0, 1, 4] });
  assert.throws(() => splitCores([0]), /two cores/);
});
