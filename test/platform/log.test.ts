import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';

/** What a process writes that runs `code` with a logger `log`; it ends at once behind the last line. */
function written(
  code: string,
  level: string,
  isTerminal: boolean,
): { readonly out: string; readonly lines: string[] } {
  const url = new URL('../../lib/platform/log.ts', import.meta.url).href;
  const script = `const { createLogger } = await import('${url}');
    const log = createLogger('${level}', ${isTerminal});
    ${code}
    process.exit(0);`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  return { out: stdout, lines: stderr.split('\n').filter((line) => line !== '') };
}

const TRANSITION =
  "log.component('fleet').info({ replica: 'S1', from: 'starting', to: 'healthy', cause: 'probe passed', ms: 12 }, 'replica is healthy');";

describe('the log', () => {
  it('writes JSON lines with time, level, component and fields to stderr', () => {
    const { out, lines } = written(TRANSITION, 'info', false);
    assert.equal(out, '');
    assert.equal(lines.length, 1);
    const { time, ...line } = JSON.parse(lines[0] ?? '');
    assert.equal(new Date(time).toISOString(), time);
    assert.deepEqual(line, {
      level: 'info',
      component: 'fleet',
      replica: 'S1',
      from: 'starting',
      to: 'healthy',
      cause: 'probe passed',
      ms: 12,
      msg: 'replica is healthy',
    });
  });

  it('escapes line ends within a line', () => {
    const { lines } = written(String.raw`log.warn({ cause: 'a\nb\u001b[2J' }, 'two\nlines');`, 'info', false);
    assert.equal(lines.length, 1);
    assert.equal(JSON.parse(lines[0] ?? '').msg, 'two\nlines');
  });

  for (const isTerminal of [false, true]) {
    it(`escapes what would steer ${isTerminal ? 'a terminal' : 'the terminal of who reads the lines'}`, () => {
      const text = String.raw`a\x1b[2Jb\x9b2Jc\u202egnp.exe\u{e0001}\x7f é`;
      const { lines } = written(`log.warn({ cause: '${text}' }, '${text}')`, 'info', isTerminal);
      assert.equal(lines.length, 1);
      const shown = String.raw`a\u001b[2Jb\u009b2Jc\u202egnp.exe\udb40\udc01\u007f é`;
      const line = lines[0] ?? '';
      assert.equal(line.split(shown).length, 3, line);
      assert.doesNotMatch(line, /[\p{Cc}\p{Cf}]/u);
    });
  }

  for (const [level, expected] of [
    ['debug', ['debug', 'info', 'warn', 'error']],
    ['info', ['info', 'warn', 'error']],
    ['warn', ['warn', 'error']],
    ['error', ['error']],
    ['silent', []],
  ] as const) {
    it(`writes at level ${level} ${expected.join(', ') || 'nothing'}`, () => {
      const code = "for (const level of ['debug', 'info', 'warn', 'error']) log[level]({}, 'x');";
      const levels = written(code, level, false).lines.map((line) => JSON.parse(line).level);
      assert.deepEqual(levels, expected);
    });
  }

  it('writes readable lines if stderr is a terminal', () => {
    const { lines } = written(TRANSITION, 'info', true);
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? '', /^\[?\d\d:\d\d:\d\d.*INFO.*replica is healthy.*"replica":"S1"/);
  });

  it('loses no line when the process exits at once', () => {
    const code = "for (let i = 0; i < 2000; i++) log.info({ ms: i }, 'line');";
    assert.equal(written(code, 'info', false).lines.length, 2000);
    assert.equal(written(code, 'info', true).lines.length, 2000);
  });
});
