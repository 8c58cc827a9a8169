import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { replicaSpecOf } from '../../../lib/config/replica-spec.ts';
import { load, problemsOf } from '../../helpers/options.ts';

const MEBIBYTE = 1024 ** 2;
const docker = (...args: readonly string[]) => load(['--driver', 'docker', ...args]);
const directory = mkdtempSync(join(tmpdir(), 'ringlb-test-'));
after(() => rmSync(directory, { recursive: true }));

let files = 0;
function fileOf(text: string): string {
  const path = join(directory, String(++files));
  writeFileSync(path, text);
  return path;
}

const envOf = (args: readonly string[], environment = {}) => replicaSpecOf(load(args, environment)).env;

describe('the environment of a replica', () => {
  it('has every --env, later ones last', () => {
    const env = envOf(['--env', 'A=1,2', '--env', 'B=x=y', '--env', 'A=']);
    assert.deepEqual(env, [
      ['A', '1,2'],
      ['B', 'x=y'],
      ['A', ''],
    ]);
  });

  it("keeps line ends in a flag's value, splits the variable there", () => {
    assert.deepEqual(envOf(['--env', 'KEY=a\nb']), [['KEY', 'a\nb']]);
    assert.deepEqual(envOf([], { LB_ENV: 'A=1,2\nB=3' }), [
      ['A', '1,2'],
      ['B', '3'],
    ]);
  });

  it("passes on the balancer's own variable for a bare name", () => {
    assert.deepEqual(envOf(['--env', 'TOKEN', '--env', 'UNSET'], { TOKEN: 's3cret' }), [['TOKEN', 's3cret']]);
  });

  it('says that a file for a shell is none', () => {
    const path = fileOf('A=1\nexport KEY="hidden"\n');
    assert.deepEqual(problemsOf(['--env-file', path]), [
      `--env-file "${path}" line 2 must be NAME=VALUE without export, the value without quotes`,
    ]);
  });

  it('reads files as docker run does, and lets --env win', () => {
    const first = fileOf('\ufeff# comment\n\nA=1\n  B="quoted" # literal\r\nTOKEN\n');
    const second = fileOf('A=2');
    const args = ['--env', 'A=3', '--env-file', first, '--env-file', second];
    assert.deepEqual(envOf(args, { TOKEN: 't' }), [
      ['A', '1'],
      ['B', '"quoted" # literal'],
      ['TOKEN', 't'],
      ['A', '2'],
      ['A', '3'],
    ]);
  });

  it('is a list or map in option files, line ends kept', () => {
    const list = fileOf('env: ["A=1,2", "KEY=a\\nb"]');
    assert.deepEqual(envOf(['--config', list]), [
      ['A', '1,2'],
      ['KEY', 'a\nb'],
    ]);
    assert.deepEqual(envOf(['--config', fileOf('env: {A: 1}')]), [['A', '1']]);
  });

  it('names the file that cannot be read', () => {
    assert.deepEqual(problemsOf(['--env-file', '/no/such']), [
      '--env-file cannot be read: ENOENT at "/no/such"',
    ]);
  });

  it("names a file's wrong line, but not its text", () => {
    const path = fileOf('A=1\n9secret');
    assert.deepEqual(problemsOf(['--env-file', path]), [
      `--env-file "${path}" line 2 must be NAME=VALUE, or NAME to pass on the variable of the balancer`,
    ]);
  });

  for (const [item, problem] of [
    ['=secret', 'must be NAME=VALUE, or NAME to pass on the variable of the balancer'],
    ['LB_ADMIN_TOKEN=x', 'must not set LB_ADMIN_TOKEN: LB_ variables are options of the balancer'],
    ['PORT=80', 'must not set PORT, which the balancer sets'],
    ['SERVER_ID=a', 'must not set SERVER_ID, which the balancer sets'],
  ] as const) {
    it(`refuses ${item} without repeating the value`, () => {
      assert.deepEqual(problemsOf(['--env', item]), [`--env ${problem}`]);
    });
  }
});

describe('what a container is given', () => {
  it('is read with the syntax of Docker', () => {
    const spec = replicaSpecOf(
      docker(
        ...['--volume', 'data-{name}:/data', '--volume', '/etc/app:/etc/app:ro', '--volume', './x:/x:rw'],
        ...['--tmpfs', '/run', '--tmpfs', '/cache:16m', '--tmpfs', '/tmp:size=1g,exec,mode=1777'],
        ...['--secret', 'db=/keys/db', '--secret', 'tls.key=key.pem', '--replica-label', 'app=web'],
        ...['--memory', '1.5g', '--cpus', '1.5', '--pids', '0', '--replica-user', 'www-data:1000'],
        ...['--read-only', 'off', '--stop-signal', 'quit', '--workdir', '/srv', '--log-max-size', '1m'],
      ),
    );
    assert.deepEqual(spec.volumes, [
      { source: 'data-{name}', target: '/data', isReadOnly: false },
      { source: '/etc/app', target: '/etc/app', isReadOnly: true },
      { source: join(process.cwd(), 'x'), target: '/x', isReadOnly: false },
    ]);
    assert.deepEqual(spec.tmpfs, [
      { target: '/run', bytes: 64 * MEBIBYTE, options: [] },
      { target: '/cache', bytes: 16 * MEBIBYTE, options: [] },
      { target: '/tmp', bytes: 1024 * MEBIBYTE, options: ['exec', 'mode=1777'] },
    ]);
    assert.deepEqual(spec.secrets, [
      { name: 'db', file: '/keys/db' },
      { name: 'tls.key', file: join(process.cwd(), 'key.pem') },
    ]);
    const { memoryBytes, cpus, pids, user, isReadOnly, stopSignal, workdir, labels, logMaxBytes } = spec;
    assert.deepEqual(
      { memoryBytes, cpus, pids, user, isReadOnly, stopSignal, workdir, labels, logMaxBytes },
      {
        memoryBytes: 1536 * MEBIBYTE,
        cpus: 1.5,
        pids: 0,
        user: 'www-data:1000',
        isReadOnly: false,
        stopSignal: 'SIGQUIT',
        workdir: '/srv',
        labels: [['app', 'web']],
        logMaxBytes: MEBIBYTE,
      },
    );
  });

  it('has 512 MiB unless said, a child process no limit', () => {
    assert.equal(replicaSpecOf(docker()).memoryBytes, 512 * MEBIBYTE);
    assert.equal(replicaSpecOf(docker('--memory', '0')).memoryBytes, 0);
    assert.equal(replicaSpecOf(load('')).memoryBytes, 0);
  });

  for (const [line, words] of [
    ["nginx -g 'daemon off;'", ['nginx', '-g', 'daemon off;']],
    [' --a="x \\"y\\" $z"  b\\ c ', ['--a=x "y" $z', 'b c']],
    ["''", ['']],
    ['', []],
  ] as const) {
    it(`splits ${JSON.stringify(line)} into words`, () => {
      assert.deepEqual(replicaSpecOf(docker(`--replica-command=${line}`)).args, words);
    });
  }

  for (const [args, problem] of [
    ['--volume data', 'SRC:DST or SRC:DST:ro, SRC a volume or a path, DST an absolute path, not "data"'],
    ['--volume data:rel', 'DST an absolute path, not "data:rel"'],
    ['--volume data:/', 'DST an absolute path, not "data:/"'],
    ['--volume a/b:/x', 'SRC a volume or a path, DST an absolute path, not "a/b:/x"'],
    ['--volume data:/x:rx', 'not "data:/x:rx"'],
    ['--tmpfs run', '--tmpfs must be DST or DST:SIZE, DST an absolute path, not "run"'],
    [
      '--tmpfs /run:suid',
      'must have a size, exec, mode, uid or gid behind the colon (see "suid"), not "/run:suid"',
    ],
    ['--memory 1m', '--memory must be from 6291456 to 9007199254740991 bytes, not "1m"'],
    ['--memory lots', '--memory must be a size such as 65536, 64k or 1MB, not "lots"'],
    ['--cpus 0.001', '--cpus must be a number of CPUs such as 1.5, at least 0.01, not "0.001"'],
    ['--pids -1', '--pids needs a value'],
    ['--replica-user a:b:c', '--replica-user must be a user of the image or its number'],
    ["--replica-command 'a", '--replica-command must have matching quotes'],
    ['--replica-label ringlb.pool=x', 'must not begin with ringlb., which the balancer sets'],
    ['--stop-signal SIGNONE', '--stop-signal must be a signal such as SIGQUIT, not "SIGNONE"'],
    ['--secret db', '--secret must be NAME=FILE, not "db"'],
    ['--secret a/b=c', '--secret must be NAME=FILE, not "a/b=c"'],
    ['--workdir srv', '--workdir must be an absolute path with --driver docker, not "srv"'],
  ] as const) {
    it(`refuses ${args}`, () => {
      const [found = ''] = problemsOf(`--driver docker ${args}`);
      assert.ok(found.includes(problem), found);
    });
  }

  it('cannot be given to a child process', () => {
    for (const flag of [
      'volume=a1:/a',
      'secret=a=b',
      'read-only=off',
      'pids=9',
      'replica-user=root',
      'tmpfs=/a',
    ]) {
      const name = flag.split('=')[0];
      assert.deepEqual(problemsOf([`--${flag}`]), [`--${name} needs --driver docker or swarm, not process`]);
    }
  });

  it('can be a limit, variable or directory for child processes too', () => {
    assert.deepEqual(problemsOf('--memory 64m --cpus 1 --env A=1 --workdir relative --stop-signal INT'), []);
    assert.deepEqual(problemsOf('--driver static --upstreams http://a:1 --env A=1'), [
      '--env needs --driver process, docker or swarm, not static',
    ]);
  });
});
