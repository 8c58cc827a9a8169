import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { takeStickyCookie } from '../../lib/core/sticky-cookie.ts';

const TOKEN = 'abcdefghijklmnopqrstuv';
const OTHER = '0123456789012345678901';

/** [title, lines, what is left of them, the token] */
const CASES: readonly (readonly [string, string, string, string])[] = [
  ['alone, its line goes', `cookie: lb=${TOKEN}\r\nx: 1\r\n`, 'x: 1\r\n', TOKEN],
  ['first of two', `Cookie: lb=${TOKEN}; a=b\r\n`, 'Cookie: a=b\r\n', TOKEN],
  ['last of two', `x: 1\r\nCOOKIE: a=b; lb=${TOKEN}\r\ny: 2\r\n`, 'x: 1\r\nCOOKIE: a=b\r\ny: 2\r\n', TOKEN],
  ['in the middle', `Cookie: a=b; lb=${TOKEN}; c="d"\r\n`, 'Cookie: a=b; c="d"\r\n', TOKEN],
  ['without blanks', `Cookie:a=b;lb=${TOKEN};c=d\r\n`, 'Cookie: a=b; c=d\r\n', TOKEN],
  ['in the second of two lines', `Cookie: a=b\r\nCookie: lb=${TOKEN}\r\n`, 'Cookie: a=b\r\n', TOKEN],
  ['twice in one line', `Cookie: lb=${TOKEN}; lb=${OTHER}\r\n`, '', ''],
  ['twice with one value', `Cookie: lb=${TOKEN}; a=b; lb=${TOKEN}\r\n`, 'Cookie: a=b\r\n', ''],
  ['twice in two lines', `Cookie: lb=${TOKEN}\r\nx: 1\r\nCookie: lb=${OTHER}\r\n`, 'x: 1\r\n', ''],
  ['too long', `Cookie: lb=${TOKEN}x; a=b\r\n`, 'Cookie: a=b\r\n', ''],
  ['empty', 'Cookie: lb=; a=b\r\n', 'Cookie: a=b\r\n', ''],
  ['blanks around its value', `Cookie: lb=${TOKEN} \t; a=b\r\n`, 'Cookie: a=b\r\n', TOKEN],
];

/** Lines that have no such cookie, and stay as they are. */
const OTHERS: readonly (readonly [string, string])[] = [
  ['a longer name', `Cookie: xlb=${TOKEN}; a-lb=${TOKEN}\r\n`],
  ['a name in another case', `Cookie: LB=${TOKEN}\r\n`],
  ['a value that looks like it', `Cookie: a=lb=${TOKEN}\r\n`],
  ['another header', `X-Cookie: lb=${TOKEN}\r\nCookies: lb=${TOKEN}\r\nSet-Cookie: lb=${TOKEN}\r\n`],
  ['no cookie at all', 'Host: a\r\nAccept: */*\r\n'],
];

describe('the sticky cookie of a request', () => {
  for (const [title, lines, left, token] of CASES)
    it(`is cut out: ${title}`, () => {
      assert.deepEqual({ ...takeStickyCookie(lines, 'lb') }, { lines: left, token });
    });

  for (const [title, lines] of OTHERS)
    it(`is not there: ${title}`, () => {
      assert.deepEqual({ ...takeStickyCookie(lines, 'lb') }, { lines, token: '' });
    });

  it('is found under another name after a reload', () => {
    takeStickyCookie('', 'lb');
    assert.equal(takeStickyCookie(`Cookie: other=${TOKEN}\r\n`, 'other').token, TOKEN);
  });

  it('takes time in proportion to the head', () => {
    const pairs = 'x=lb=;'.repeat(200_000);
    const lines = `Cookie: ${pairs}\r\nX-Long: ${'lb='.repeat(400_000)}\r\n`;
    // a search that began anew at every pair would take minutes
    assert.equal(takeStickyCookie(lines, 'lb').lines, lines);
  });
});
