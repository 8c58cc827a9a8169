import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Change,
  parseAddition,
  parseNames,
  parseRemoval,
  parseScale,
  parseWeights,
} from '../../lib/admin/change-request.ts';

function parseChange(body: string, kind: 'add' | 'remove'): Change {
  if (kind === 'remove') return parseRemoval(body);
  const { weights: _weights, ...change } = parseAddition(body);
  return change;
}

describe('the body of /add and /rm', () => {
  const names = (count: number) => Array.from({ length: count }, (_, index) => `S${index}`);

  for (const [body, change] of [
    ['{"n":4,"hostnames":["S5","web_a"]}', { count: 4, names: ['S5', 'web_a'], isForced: false }],
    ['{"hostnames":["a"],"n":1}', { count: 1, names: ['a'], isForced: false }],
    ['{"n":2}', { count: 2, names: [], isForced: false }],
    ['{"n":2,"hostnames":[]}', { count: 2, names: [], isForced: false }],
    ['{"n":1.0}', { count: 1, names: [], isForced: false }],
    ['{"n":1e1}', { count: 10, names: [], isForced: false }],
    ['{"n":10000}', { count: 10_000, names: [], isForced: false }],
    [' \r\n{ "n" : 1 }\t', { count: 1, names: [], isForced: false }],
    ['{"\\u006e":1,"hostnames":["\\u0053\\u0031"]}', { count: 1, names: ['S1'], isForced: false }],
  ] as const) {
    it(`may be ${JSON.stringify(body)}`, () => {
      assert.deepEqual(parseChange(body, 'add'), change);
    });
  }

  it('may hold as many names as n', () => {
    const wanted = names(10_000);
    assert.deepEqual(parseChange(JSON.stringify({ n: 10_000, hostnames: wanted }), 'add').names, wanted);
  });

  it('has the fixed words for more names than n on /add', () => {
    assert.throws(() => parseChange('{"n":1,"hostnames":["a","b"]}', 'add'), {
      code: 'bad-request',
      message: 'Length of hostname list is more than newly added instances',
    });
  });

  it('has the fixed words for more names than n on /rm', () => {
    assert.throws(() => parseChange('{"n":1,"hostnames":["a","b"]}', 'remove'), {
      code: 'bad-request',
      message: 'Length of hostname list is more than removable instances',
    });
  });

  it('has those words for 10,000 names too', () => {
    assert.throws(
      () => parseChange(JSON.stringify({ n: 3, hostnames: names(10_000) }), 'add'),
      /^BalancerError: Length of/,
    );
  });

  const N = 'n must be a whole number from 1 to 10000';
  const RULE = 'must be 1 to 63 letters, digits, _ . and -, the first a letter or a digit';
  const EXAMPLE = '{"n":2,"hostnames":["S4","S5"]}';
  for (const [body, message] of [
    ['', `The body is empty; send JSON such as ${EXAMPLE}`],
    [' \r\n', `The body is empty; send JSON such as ${EXAMPLE}`],
    ['[]', `The body must be an object such as ${EXAMPLE}, not a list`],
    ['null', `The body must be an object such as ${EXAMPLE}, not null`],
    ['"n"', `The body must be an object such as ${EXAMPLE}, not a string`],
    ['3', `The body must be an object such as ${EXAMPLE}, not a number`],
    ['true', `The body must be an object such as ${EXAMPLE}, not a boolean`],
    ['{}', 'n is missing; it must be a whole number from 1 to 10000'],
    ['{"hostnames":["a"]}', 'n is missing; it must be a whole number from 1 to 10000'],
    ['{"n":"3"}', `${N}, not a string`],
    ['{"n":null}', `${N}, not null`],
    ['{"n":true}', `${N}, not a boolean`],
    ['{"n":[3]}', `${N}, not a list`],
    ['{"n":{"n":3}}', `${N}, not an object`],
    ['{"n":0}', `${N}, not 0`],
    ['{"n":-0}', `${N}, not 0`],
    ['{"n":-1}', `${N}, not -1`],
    ['{"n":1.5}', `${N}, not 1.5`],
    ['{"n":10001}', `${N}, not 10001`],
    ['{"n":9007199254740993}', `${N}, not 9007199254740992`],
    ['{"n":1e999}', 'The number "1e999" is too large'],
    ['{"n":-1e999}', 'The number "-1e999" is too large'],
    ['{"n":1,"n":2}', 'The body has "n" twice'],
    ['{"n":1,"\\u006e":2}', 'The body has "n" twice'],
    ['{"n":1,"hostname":["a"]}', 'Unknown field "hostname"; did you mean hostnames?'],
    ['{"n":1,"force":1}', 'force must be true or false, not a number'],
    [
      '{"n":1,"__proto__":{"n":2}}',
      'Unknown field "__proto__"; the fields are n, hostnames, weights and force',
    ],
    ['{"__proto__":{"n":1}}', 'Unknown field "__proto__"; the fields are n, hostnames, weights and force'],
    [
      '{"n":1,"constructor":1}',
      'Unknown field "constructor"; the fields are n, hostnames, weights and force',
    ],
    ['{"n":1,"hostnames":"a"}', 'hostnames must be a list of names, not a string'],
    ['{"n":1,"hostnames":null}', 'hostnames must be a list of names, not null'],
    ['{"n":1,"hostnames":{"0":"a"}}', 'hostnames must be a list of names, not an object'],
    ['{"n":2,"hostnames":["a",1]}', 'hostnames[1] must be a name, not a number'],
    ['{"n":1,"hostnames":[["a"]]}', 'hostnames[0] must be a name, not a list'],
    ['{"n":1,"hostnames":[null]}', 'hostnames[0] must be a name, not null'],
    ['{"n":1,"hostnames":["a b",1]}', 'hostnames[1] must be a name, not a number'],
    ['{"n":2,"hostnames":["a","a"]}', 'hostnames has "a" twice'],
    ['{"n":1,"hostnames":[""]}', `hostnames[0] ${RULE}, not ""`],
    ['{"n":1,"hostnames":["-rf"]}', `hostnames[0] ${RULE}, not "-rf"`],
    ['{"n":2,"hostnames":["a","$(id)"]}', `hostnames[1] ${RULE}, not "$(id)"`],
    ['{"n":1,"hostnames":["a;b"]}', `hostnames[0] ${RULE}, not "a;b"`],
    ['{"n":1,"hostnames":["a\\nb"]}', `hostnames[0] ${RULE}, not "a\\nb"`],
    ['{"n":1,"hostnames":["a\\u0000"]}', `hostnames[0] ${RULE}, not "a\\u0000"`],
    ['{"n":1,"hostnames":["../a"]}', `hostnames[0] ${RULE}, not "../a"`],
    ['{"n":1,"hostnames":["é"]}', `hostnames[0] ${RULE}, not "é"`],
    [`{"n":1,"hostnames":["${'a'.repeat(64)}"]}`, `hostnames[0] ${RULE}, not "${'a'.repeat(64)}"`],
    [`{"n":1,"hostnames":["${'a'.repeat(9000)}"]}`, `hostnames[0] ${RULE}, not "${'a'.repeat(80)}…"`],
    ['{"n":1', 'The body is not JSON: it ends too early'],
    ["{'n':1}", 'The body is not JSON: unexpected "\'" at character 2'],
    ['n=1&hostnames=a', 'The body is not JSON: unexpected "n" at character 1'],
    ['{"n":1}{"n":2}', 'The body is not JSON: unexpected "{" at character 8'],
    ['{"n":1,}', 'The body is not JSON: unexpected "}" at character 8'],
    ['{"n":01}', 'The body is not JSON: unexpected "1" at character 7'],
    ['{"n":0x1}', 'The body is not JSON: unexpected "x" at character 7'],
    ['{"n":NaN}', 'The body is not JSON: unexpected "N" at character 6'],
    [`{"n":${'['.repeat(60_000)}`, 'The body is nested deeper than 8 levels'],
  ] as const) {
    it(`is refused as ${JSON.stringify(body.slice(0, 40))} with "${message.slice(0, 60)}"`, () => {
      assert.throws(() => parseChange(body, 'add'), { code: 'bad-request', message });
    });
  }

  it('changes no prototype', () => {
    assert.throws(() => parseChange('{"n":1,"__proto__":{"polluted":true}}', 'add'));
    assert.equal(Reflect.get({}, 'polluted'), undefined);
  });
});

describe('the body of /drain and /undrain', () => {
  it('names replicas', () => {
    assert.deepEqual(parseNames('{"hostnames":["S1","web_a"]}'), ['S1', 'web_a']);
  });

  it('names fixed servers by host and port', () => {
    const names = ['10.0.0.1:8080', 'app.example:80', '[::1]:8080'];
    assert.deepEqual(parseNames(JSON.stringify({ hostnames: names })), names);
  });

  for (const [body, message] of [
    ['', 'The body is empty; send JSON such as {"hostnames":["S4","S5"]}'],
    ['[]', 'The body must be an object such as {"hostnames":["S4","S5"]}, not a list'],
    ['{}', 'hostnames must name a replica, as in {"hostnames":["S4","S5"]}'],
    ['{"hostnames":[]}', 'hostnames must name a replica, as in {"hostnames":["S4","S5"]}'],
    ['{"hostnames":"S1"}', 'hostnames must be a list of names, not a string'],
    ['{"hostnames":["S1","S1"]}', 'hostnames has "S1" twice'],
    [
      '{"hostnames":["S1 "]}',
      'hostnames[0] must be 1 to 63 letters, digits, _ . and -, the first a letter or a digit, or HOST:PORT, not "S1 "',
    ],
    ['{"n":1,"hostnames":["S1"]}', 'Unknown field "n"; the field is hostnames'],
    ['{"hostname":["S1"]}', 'Unknown field "hostname"; did you mean hostnames?'],
  ] as const) {
    it(`is refused as ${JSON.stringify(body)} with "${message.slice(0, 60)}"`, () => {
      assert.throws(() => parseNames(body), { code: 'bad-request', message });
    });
  }
});

describe('the body of /scale', () => {
  it('says how many there are to be', () => {
    assert.deepEqual(parseScale('{"n":5}'), { count: 5, isForced: false });
    assert.deepEqual(parseScale('{"n":5,"force":true}'), { count: 5, isForced: true });
  });

  it('says what autoscaling is to keep to', () => {
    const body = '{"min":0,"max":10,"target":8,"paused":true}';
    assert.deepEqual(parseScale(body), { change: { min: 0, max: 10, target: 8, paused: true } });
    assert.deepEqual(parseScale('{"max":4}'), { change: { max: 4 } });
  });

  for (const [body, message] of [
    ['', /^The body is empty; send JSON such as \{"n":5\}$/],
    [
      '{}',
      /^n is missing; it must be a whole number from 1 to 10000; or, for autoscaling, any of min, max, target and paused$/,
    ],
    ['{"n":0}', /^n must be a whole number from 1 to 10000, not 0$/],
    ['{"n":2.5}', /not 2.5$/],
    ['{"n":"5"}', /^n must be a whole number/],
    ['5', /^The body must be an object such as \{"n":5\}/],
    [
      '{"n":5,"hostnames":["S9"]}',
      /^Unknown field "hostnames"; the fields are n, min, max, target, paused and force$/,
    ],
    ['{"n":5,"force":"yes"}', /^force must be true or false, not a string$/],
    ['{"n":5,"min":2}', /^n and min do not go together$/],
    ['{"max":5,"force":true}', /^force and max do not go together$/],
    ['{"min":-1}', /^min must be a whole number from 0 to 10000, not -1$/],
    ['{"max":0}', /^max must be a whole number from 1 to 10000, not 0$/],
    ['{"target":0}', /^target must be a whole number from 1 to 1000000, not 0$/],
    ['{"target":null}', /^target must be a whole number from 1 to 1000000, not null$/],
    ['{"paused":1}', /^paused must be true or false, not a number$/],
  ] as const) {
    it(`may not be ${JSON.stringify(body)}`, () => {
      assert.throws(() => parseScale(body), { code: 'bad-request', message });
    });
  }
});

describe('weights in a body', () => {
  it('are read by name', () => {
    assert.deepEqual(
      parseWeights('{"S1":5,"10.0.0.7:80":0}'),
      new Map([
        ['S1', 5],
        ['10.0.0.7:80', 0],
      ]),
    );
    const added = parseAddition('{"n":2,"hostnames":["S9"],"weights":{"S9":4}}');
    assert.deepEqual(added, { count: 2, names: ['S9'], isForced: false, weights: new Map([['S9', 4]]) });
  });

  const RULE = 'must be a whole number from 0 to 256';
  for (const [body, message] of [
    ['{}', 'The body must name a replica, as in {"S1":5,"S2":1}'],
    ['', 'The body is empty; send JSON such as {"S1":5,"S2":1}'],
    ['[]', 'The body must be an object such as {"S1":5,"S2":1}, not a list'],
    ['{"S1":-1}', `S1 ${RULE}, not -1`],
    ['{"S1":257}', `S1 ${RULE}, not 257`],
    ['{"S1":1.5}', `S1 ${RULE}, not 1.5`],
    ['{"S1":"2"}', `S1 ${RULE}, not a string`],
    ['{"a b":2}', '"a b" is not the name of a replica'],
    ['{"weights":{"S1":2}}', `weights ${RULE}, not an object; send {"S1":5,"S2":1}`],
  ] as const) {
    it(`of /weight are refused as ${JSON.stringify(body)}`, () => {
      assert.throws(() => parseWeights(body), { code: 'bad-request', message });
    });
  }

  for (const [weights, message] of [
    ['3', 'weights must be an object such as {"S4":2}, not a number'],
    ['{"S4":300}', `weights.S4 ${RULE}, not 300`],
    ['{"S5":2}', 'weights has "S5", which is not one of hostnames'],
  ] as const) {
    it(`of /add are refused as ${weights}`, () => {
      const body = `{"n":1,"hostnames":["S4"],"weights":${weights}}`;
      assert.throws(() => parseAddition(body), { code: 'bad-request', message });
    });
  }

  it('are unknown to /rm', () => {
    assert.throws(() => parseRemoval('{"n":1,"weights":{}}'), { message: /^Unknown field "weights"/ });
  });
});
