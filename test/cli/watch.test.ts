/** `ringlb status --watch` in a terminal: its size, and what becomes of what was there before. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Screen } from '../../lib/cli/terminal/screen.ts';
import { BalancerError } from '../../lib/platform/errors.ts';
import { REPLICA, type Running, runAdmin } from '../helpers/admin/admin.ts';
import { keptOutput, runCommand } from '../helpers/cli/cli.ts';
import { eventually } from '../helpers/eventually.ts';

describe('text that replaces itself', () => {
  const written: string[] = [];
  const terminal = { isTTY: true, rows: 4, write: (text: string) => written.push(text) };
  beforeEach(() => {
    written.length = 0;
  });

  it('scrolls up what the terminal showed before, and erases nothing of that', () => {
    const screen = new Screen(terminal, 'xterm');
    assert.equal(screen.rows, 3);
    screen.show(['one', 'two']);
    screen.show(['three']);
    assert.equal(written[0], '\n\n\n\n\u001b[H\u001b[2Kone\n\u001b[2Ktwo\n\u001b[J');
    assert.equal(written[1], '\u001b[H\u001b[2Kthree\n\u001b[J');
  });

  for (const [where, stream, type] of [
    ['a dumb terminal', terminal, 'dumb'],
    ['a pipe', { ...terminal, isTTY: false }, 'xterm'],
  ] as const) {
    it(`follows itself in ${where}, without control sequences`, () => {
      const screen = new Screen(stream, type);
      assert.equal(screen.rows, Number.POSITIVE_INFINITY);
      screen.show(['one', 'two']);
      screen.show(['three']);
      assert.equal(written.join(''), 'one\ntwo\n\nthree\n');
    });
  }
});

describe('a status that is watched in a low terminal', () => {
  const fleet = Array.from({ length: 24 }, (_, at) => ({ ...REPLICA, name: `S${at + 1}` }));
  const withTrouble = fleet.with(20, {
    ...REPLICA,
    name: 'S21',
    state: 'starting' as const,
    cause: 'exit 3',
  });
  let admin: Running;
  beforeEach(async () => {
    admin = await runAdmin({});
  });
  afterEach(() => admin.stop());

  it('fits it, with what is not healthy first', async () => {
    const looks = [withTrouble, undefined];
    admin.fleet.replicas = () => {
      const look = looks.shift();
      if (look === undefined) throw new BalancerError('shutting-down');
      return look;
    };
    const written = keptOutput(false, 80, 10);
    await runCommand(admin.port, ['status', '-w', '--interval', '1ms'], { written });
    assert.equal(written.lines.length, 10, written.lines.join('\n'));
    assert.match(written.lines[0]!, /^ready: /);
    assert.match(written.lines[3]!, /^REPLICA .*WHY$/);
    assert.match(written.lines[4]!, /^S21 +starting .*exit 3$/);
    assert.match(written.lines[5]!, /^S1 +healthy/);
    assert.equal(written.lines[9], 'and 19 more, all healthy');
  });

  it('is drawn anew in another size, without another look', async () => {
    let looks = 0;
    let isOver = false;
    admin.fleet.replicas = () => {
      looks++;
      if (isOver) throw new BalancerError('shutting-down');
      return withTrouble;
    };
    const written = keptOutput(false, 80, 10);
    const running = runCommand(admin.port, ['status', '-w', '--interval', '200ms'], { written });
    await eventually('the first look', () => written.lines.length > 0);
    const before = looks;
    written.resize(40, 40);
    assert.equal(looks, before);
    assert.equal(written.lines.filter((line) => /^S\d+ /.test(line)).length, 24);
    for (const line of written.lines) assert.ok(line.length <= 40, line);
    isOver = true;
    await running;
  });
});
