import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { COMMANDS, parseInvocation } from '../../lib/cli/invocation.ts';
import { CommandError } from '../../lib/cli/usage.ts';
import { ConfigError } from '../../lib/config/config.ts';

const parse = (args: string, environment = {}) =>
  parseInvocation(args.split(' ').filter(Boolean), environment);

const ALL =
  'serve, status, add, rm, scale, weight, drain, undrain, deploy, rollback, explain, events, logs, health, check, reload, help, version and completion';

describe('a command line', () => {
  for (const [args, kind] of [
    ['', 'serve'],
    ['serve', 'serve'],
    ['--port 1', 'serve'],
    ['serve --classic', 'serve'],
    ['--classic serve', 'serve'],
    ['status', 'command'],
    ['health --admin-port 1', 'command'],
    ['--admin-port 1 health', 'command'],
    ['--json status', 'command'],
    ['-f events', 'command'],
    ['rm --dry-run 2', 'command'],
    ['--dry-run rm 2', 'command'],
    ['--help', 'help'],
    ['-h', 'help'],
    ['--port x --help', 'help'],
    ['add --help', 'help'],
    ['--version', 'version'],
    ['-v', 'version'],
    ['status --version', 'version'],
    ['version', 'version'],
    ['help', 'help'],
    ['help add', 'help'],
    ['completion bash', 'help'],
  ] as const) {
    it(`reads "${args}" as ${kind}`, () => {
      assert.equal(parse(args).kind, kind);
    });
  }

  it('passes options to serve', () => {
    const invocation = parse('serve --port 1', { LB_REPLICAS: '7' });
    assert.ok(invocation.kind === 'serve');
    assert.deepEqual([invocation.settings.config.port, invocation.settings.config.replicas], [1, 7]);
  });

  it('passes operands and options to a command in any order', () => {
    const invocation = parse('--dry-run add 3 --admin-port=6001 web_a --json web_b');
    assert.ok(invocation.kind === 'command');
    const { command, call } = invocation;
    assert.equal(command.name, 'add');
    assert.deepEqual(call.words, ['3', 'web_a', 'web_b']);
    assert.deepEqual(
      [call.has('dry-run'), call.output.isJson, call.value('admin-port')],
      [true, true, '6001'],
    );
  });

  it('ignores options of serve in the environment of a command', () => {
    assert.equal(parse('status', { LB_REPLICAS: 'x', LB_NONSENSE: '1' }).kind, 'command');
  });

  for (const [args, problem] of [
    ['heath', 'heath is not a command; did you mean health?'],
    ['start', `start is not a command; the commands are ${ALL}`],
    ['serve now', 'unexpected argument "now"'],
    ['stats --json', 'stats is not a command; did you mean status?|--json is not an option'],
  ] as const) {
    it(`answers "${args}" with "${problem}"`, () => {
      assert.throws(() => parse(args), { problems: problem.split('|') });
    });
  }

  for (const [args, problem] of [
    ['help ad', 'ad is not a command; did you mean add?'],
    ['help start', `start is not a command; the commands are ${ALL}`],
    ['help add rm', 'help takes one command, not "add rm"'],
    ['version 2', 'unexpected argument "2": version takes none'],
    ['completion', 'completion takes a shell: bash or zsh'],
    ['completion fish', 'completion takes a shell: bash or zsh'],
    ['status --jsn', '--jsn is not an option of status; did you mean --json?'],
    ['status --replicas 3', '--replicas is not an option of status but of serve'],
    ['status --dry-run', '--dry-run is not an option of status'],
    ['add -x', '-x is not an option of add'],
    ['add -3', '-3 is not an option of add'],
    ['status --json=yes', '--json takes no value'],
    [
      'status --admin-port',
      '--admin-port needs a value; one that begins with - is written --admin-port=VALUE',
    ],
    ['logs -n', '--lines needs a value; one that begins with - is written --lines=VALUE'],
    ['logs -n -f', '--lines needs a value; one that begins with - is written --lines=VALUE'],
    ['status --admin-port 99999', '--admin-port must be a whole number from 0 to 65535, not "99999"'],
    ['status --admin-token a,b', '--admin-token must be letters, digits and - . _ ~ + / only, then = if any'],
    [
      'status --url localhost:5001',
      '--url must be a URL such as http://127.0.0.1:5001, not "localhost:5001"',
    ],
    ['status --url http://a:1 --admin-port 1', '--url and --admin-port do not go together'],
    [
      'status --admin-token 12345678 --admin-token-file x',
      '--admin-token and --admin-token-file are both given; give one',
    ],
  ] as const) {
    it(`answers "${args}" with "${problem}", and status 2`, () => {
      assert.throws(() => parse(args), { name: 'CommandError', exitStatus: 2, message: problem });
    });
  }

  it('survives any environment and any words', () => {
    const odd = [
      '',
      '-',
      '--',
      '---',
      '--=',
      '-=',
      '--port=',
      '=',
      '\u0000',
      '--constructor',
      '--toString=1',
    ];
    const env = {
      LB_: '1',
      LB___PROTO__: '1',
      constructor: '1',
      LB_PORT: undefined,
      ['LB_'.concat('X'.repeat(5000))]: '1',
    };
    const isKnown = (error: unknown): boolean =>
      error instanceof ConfigError || error instanceof CommandError;
    for (const word of [...odd, 'x'.repeat(5000)]) {
      assert.throws(() => parseInvocation([word, '--port', 'x'], env), ConfigError);
      assert.throws(() => parseInvocation(['status', word, '--port', 'x'], env), isKnown);
    }
  });
});

describe('--help', () => {
  const textOf = (args: string): string => {
    const invocation = parse(args);
    assert.ok(invocation.kind === 'help');
    return invocation.text;
  };

  it('lists every command, and every option of serve', () => {
    const text = textOf('--help');
    for (const { name, summary } of COMMANDS)
      assert.match(text, new RegExp(`^  ${name} +${summary.slice(0, 20)}`, 'm'));
    assert.match(text, /--probe-interval/);
    assert.equal(textOf('serve --help'), text);
  });

  it('is what help prints, of the program and of a command', () => {
    assert.equal(textOf('help'), textOf('--help'));
    assert.equal(textOf('help add'), textOf('add --help'));
  });

  it('describes the operands, options and exit statuses of a command', () => {
    const text = textOf('rm --help');
    assert.match(text, /Usage: ringlb rm \[OPTION\]\.\.\. N\|NAME\.\.\./);
    for (const part of ['--dry-run', '--json', '--url', '--admin-token-file', 'Exit status: 0 done']) {
      assert.ok(text.includes(part), part);
    }
  });

  for (const args of ['--help', ...COMMANDS.map(({ name }) => `${name} --help`)]) {
    it(`${args} keeps to 100 columns`, () => {
      assert.deepEqual(
        textOf(args)
          .split('\n')
          .filter((line) => line.length > 100),
        [],
      );
    });
  }
});
