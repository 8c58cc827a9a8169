import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { explainRoute, questionIn } from '../../../lib/admin/routes/explain.ts';
import type { ExplainQuestion, ExplainView } from '../../../lib/api/types.ts';
import { BalancerError } from '../../../lib/platform/errors.ts';
import { type Running, runAdmin } from '../../helpers/admin/admin.ts';

const EXPLAINED: ExplainView = {
  key: '42',
  source: 'header:x-user',
  hash: 7,
  hashHex: '00000007',
  algorithm: 'maglev',
  slot: 3,
  slots: 65_537,
  owner: 'S1',
  replica: 'S1',
  reason: 'owner',
  why: 'S1 owns it',
  waiting: 0,
  successors: [],
};

/** What `/explain?…` asks. */
function asked(query: string): ExplainQuestion {
  return questionIn(new URLSearchParams(query));
}

/** What a request of that description says. */
function facts(query: string) {
  const question = asked(query);
  assert.ok('facts' in question);
  return { ...question.facts, requestId: question.requestId };
}

describe('a question', () => {
  it('is a key, its UTF-8 as one unit a byte', () => {
    assert.deepEqual(asked('key=42'), { key: '42' });
    assert.deepEqual(asked('key=%C3%A9%20%2B'), { key: '\u00c3\u00a9 +' });
  });

  it('describes a request by path, headers, cookies, query and address', () => {
    const query =
      'path=/x%3Fa=1&header.X-User=42&header.accept=*/*&cookie.sid=abc&cookie.b=2&query.user=7&client-ip=10.0.0.9';
    assert.deepEqual(facts(query), {
      url: '/x?a=1&user=7',
      rawHeaders: ['X-User', '42', 'accept', '*/*', 'cookie', 'sid=abc; b=2'],
      clientIp: '10.0.0.9',
      requestId: undefined,
    });
  });

  it('encodes what it adds to the path, as a client would', () => {
    assert.equal(facts('path=/x&query.a%20b=c%26%C3%A9').url, '/x?a%20b=c%26%C3%A9');
    assert.equal(facts('query.a=').url, '/?a=');
  });

  it('has header and cookie values as trimmed bytes', () => {
    const { rawHeaders } = facts('header.x=%20%C3%A9%09&cookie.c=%C3%A9');
    assert.deepEqual(rawHeaders, ['x', '\u00c3\u00a9', 'cookie', 'c=\u00c3\u00a9']);
  });

  it('has the first id that is taken over from a client', () => {
    assert.equal(facts('header.x-request-id=a%20b&header.X-Request-Id=r1').requestId, 'r1');
    assert.equal(facts('header.x-request-id=a%20b').requestId, undefined);
    assert.equal(facts('header.x-user=x-request-id&header.a=b').requestId, undefined);
  });

  for (const [query, problem] of [
    ['', /^There is nothing to explain: ask with key=K, or with any of path/],
    ['key=', /^key is empty$/],
    ['key=1&path=/', /^A key says all there is to say/],
    ['key=1&key=2', /^A key says all there is to say/],
    ['pth=/x', /^Unknown parameter "pth"; ask with/],
    ['header.=1', /^Unknown parameter "header\."; ask with/],
    ['path=x', /^path must be what a client sends: .* not "x"$/],
    ['path=http://host/x', /^path must be what a client sends/],
    ['path=/a%20b', /^path must be what a client sends: .* percent-encoded, not "\/a b"$/],
    ['path=/%23a', /^path must be what a client sends/],
    ['path=/%C3%A9', /^path must be what a client sends/],
    ['client-ip=localhost', /^client-ip must be an address, not "localhost"$/],
    ['header.a%20b=1', /^"header.a b" is not the name of a header$/],
    ['header.a=1%0D%0Ab:2', /^"header.a" is not the value of a header$/],
    ['cookie.a=1;b=2', /^"cookie.a" is not the value of a cookie$/],
    ['cookie.a%3D=1', /^"cookie.a=" is not the name of a cookie$/],
  ] as const) {
    it(`of ${query || 'nothing'} is refused`, () => {
      assert.throws(() => asked(query), { code: 'bad-request', message: problem });
    });
  }
});

describe('/explain', () => {
  let admin: Running;
  let explain: (question: ExplainQuestion) => ExplainView;
  before(async () => {
    admin = await runAdmin({ routes: [explainRoute({ explain: (question) => explain(question) })] });
  });
  after(() => admin.stop());
  beforeEach(() => {
    explain = () => EXPLAINED;
  });

  it('answers with the explanation, its key as a person writes it', async () => {
    explain = (question) => ({ ...EXPLAINED, key: 'key' in question ? question.key : '' });
    const { status, body } = await admin.ask('GET', '/explain?key=%C3%A9');
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(body), { message: { ...EXPLAINED, key: 'é' }, status: 'successful' });
  });

  it('answers 400 with what the fleet says', async () => {
    explain = () => {
      throw new BalancerError('bad-request', 'Such a request has nothing');
    };
    const { status, body } = await admin.ask('GET', '/explain?path=/x');
    assert.deepEqual([status, JSON.parse(body).message], [400, '<Error> Such a request has nothing']);
  });

  it('takes no other method', async () => {
    assert.equal((await admin.ask('POST', '/explain?key=1')).headers.allow, 'GET, HEAD');
  });
});
