import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseConfigFile } from '../../../lib/config/file/config-file.ts';
import { load, problemsOf } from '../../helpers/options.ts';

const textsOf = (text: string) =>
  Object.fromEntries([...parseConfigFile(text, 'f').sources].map(([key, source]) => [key, source.text]));

describe('a file of options', () => {
  for (const [title, text, expected] of [
    [
      'text, numbers and words as they are written',
      'port: 0x10\nprobe-interval: 2s\nclassic: on\nload-factor: 1.250\n',
      { port: '0x10', probeIntervalMs: '2s', classic: 'on', loadFactor: '1.250' },
    ],
    ['JSON', '{"port": 8080, "forwarded": true}', { port: '8080', forwarded: 'true' }],
    ['a list', 'upstreams:\n  - http://a:1\n  - http://b:2\n', { upstreams: 'http://a:1,http://b:2' }],
    ['a list in one line', 'hash-key: [cookie:sid, client-ip]\n', { hashKey: 'cookie:sid,client-ip' }],
    [
      'an option that may stand several times',
      'probe-header:\n  - "A: 1, 2"\n  - "B: 3"\n',
      { probeHeader: 'A: 1, 2\nB: 3' },
    ],
    ['names and values as a map', 'env:\n  A: 1,2\n  B: ""\n', { env: 'A=1,2\nB=' }],
    ['an empty value in quotes', 'image: ""\n', { image: '' }],
    ['an empty file', '# nothing yet\n', {}],
  ] as const) {
    it(`reads ${title}`, () => {
      assert.deepEqual(textsOf(text), expected);
    });
  }

  for (const [title, text, problem] of [
    [
      'an unknown name with a suggestion',
      'port: 1\nprot: 2\n',
      'f:2:1: prot is not an option; did you mean port?',
    ],
    [
      'a name in another spelling',
      'maxReplicas: 2\n',
      'f:1:1: maxReplicas is not an option; did you mean max-replicas?',
    ],
    [
      'a name that is given twice',
      'port: 1\nhost: ""\nport: 2\n',
      'f:3:1: port is given twice, first in line 1',
    ],
    ['a map in place of a value', 'port:\n  number: 1\n', 'f:2:3: port must be a value, not a map'],
    [
      'a name without a value in a map',
      'env:\n  A:\n',
      'f:2:3: env must have a value for each name; an empty one is written ""',
    ],
    ['a list where one value stands', 'port: [1, 2]\n', 'f:1:7: port must be one value, not a list'],
    ['a map in a list', 'upstreams:\n  - a: 1\n', 'f:2:3: upstreams must be a list of values'],
    [
      'two items in one',
      'hash-key: ["path,uri"]\n',
      'f:1:11: hash-key must have one value in each item of the list, without ","',
    ],
    ['no value', 'port:\nhost: ""\n', 'f:1:6: port has no value; an empty one is written ""'],
    ['an alias', 'port: &p 1\nadmin-port: *p\n', 'f:2:13: admin-port must be a value, not an alias'],
    ['a list of options', '- port: 1\n', 'f:1:1: must be options and their values, such as port: 8080'],
    ['itself', 'config: other.yaml\n', 'f:1:1: config names this file, and cannot be in it'],
  ] as const) {
    it(`refuses ${title}`, () => {
      assert.deepEqual(parseConfigFile(text, 'f').problems, [problem]);
    });
  }

  it('says where text is no YAML', () => {
    const { problems, sources } = parseConfigFile('port: 1\nhost: "open\n', 'f');
    assert.equal(sources.size, 0);
    assert.match(problems[0]!, /^f:3:1: missing closing "quote/);
  });

  it('refuses a second document', () => {
    assert.match(
      parseConfigFile('port: 1\n---\nport: 2\n', 'f').problems[0]!,
      /^f:2:1: source contains multiple/,
    );
  });
});

describe('options of a file', () => {
  let folder: string;
  let file: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'ringlb-config-'));
    file = join(folder, 'ringlb.yaml');
  });
  after(() => rmSync(folder, { recursive: true }));
  const write = (text: string): void => writeFileSync(file, text);

  it('beat the default, and give way to environment and flags', () => {
    write('rise: 11\nfall: 12\nretries: 13\n');
    const config = load(`--config ${file} --rise 31`, { LB_RISE: '21', LB_FALL: '22' });
    assert.deepEqual([config.rise, config.fall, config.retries, config.queueDepth], [31, 22, 13, 1024]);
  });

  it('are read where LB_CONFIG names the file', () => {
    write('rise: 7\n');
    assert.equal(load('', { LB_CONFIG: file }).rise, 7);
  });

  it('are named with line and column where a value is wrong', () => {
    write('rise: 2\nfall: many\n');
    assert.deepEqual(problemsOf(`--config ${file}`), [
      `${file}:2:7: fall must be a whole number from 1 to 1000, not "many"`,
    ]);
  });

  it('are named with line and column where they conflict', () => {
    write('driver: process\nimage: app\n');
    assert.deepEqual(problemsOf(`--config ${file}`), [
      `${file}:2:8: image needs --driver docker or swarm, not process`,
    ]);
  });

  it('are reported together with the problems of flags', () => {
    write('prot: 1\nretries: [1]\n');
    const problems = problemsOf(`--config ${file} --rise x`);
    assert.deepEqual(
      problems.map((problem) => problem.replace(file, 'f').split(' ')[0]),
      ['f:1:1:', 'f:2:10:', '--rise'],
    );
  });

  it('never show a secret in a problem', () => {
    write('admin-token: "with blanks"\n');
    assert.ok(!problemsOf(`--config ${file}`).join().includes('blanks'));
  });

  it('need a file that can be read', () => {
    assert.deepEqual(problemsOf('--config /nowhere.yaml'), [
      '--config cannot be read: ENOENT at "/nowhere.yaml"',
    ]);
  });

  it('need a file that has a name', () => {
    assert.deepEqual(problemsOf(['--config', '']), ['--config must not be empty']);
  });

  it('need a file of at most a MiB', () => {
    assert.match(problemsOf('--config /dev/zero')[0]!, /^--config must name a file of at most 1 MiB/);
  });
});
