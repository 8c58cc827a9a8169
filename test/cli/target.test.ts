import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { targetOf } from '../../lib/cli/target.ts';

const target = (flags: Readonly<Record<string, string>>, environment = {}) =>
  targetOf((option) => flags[option], environment);

describe('the target of a command', () => {
  let folder: string;
  let file: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'ringlb-'));
    file = join(folder, 'token');
    writeFileSync(file, 'out-of-a-file\n');
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const [flags, environment, url] of [
    [{}, {}, 'http://127.0.0.1:5001'],
    [{}, { LB_ADMIN_PORT: '6001', LB_ADMIN_HOST: '::1' }, 'http://[::1]:6001'],
    [{ 'admin-port': '7001' }, { LB_ADMIN_PORT: '6001' }, 'http://127.0.0.1:7001'],
    [{}, { LB_ADMIN_PORT: '' }, 'http://127.0.0.1:5001'],
    [{ 'admin-host': '0.0.0.0' }, {}, 'http://127.0.0.1:5001'],
    [{ 'admin-host': '' }, {}, 'http://127.0.0.1:5001'],
    [{ 'admin-host': '::' }, {}, 'http://[::1]:5001'],
    [{ 'admin-host': 'lb.example' }, {}, 'http://lb.example:5001'],
    [{ url: 'https://lb.example/admin/' }, { LB_ADMIN_PORT: '6001' }, 'https://lb.example/admin'],
  ] as const) {
    it(`is ${url} for ${JSON.stringify(flags)} and ${JSON.stringify(environment)}`, () => {
      assert.equal(target(flags, environment).url, url);
    });
  }

  for (const url of ['ftp://a', 'http://', 'a', 'http://a/?b', 'http://a/#b', 'http://user@a']) {
    it(`cannot be ${url}`, () => {
      assert.throws(() => target({ url }), { exitStatus: 2, message: /^--url must be a URL such as/ });
    });
  }

  // requests for port 0 would go to port 80
  for (const [flags, environment, message] of [
    [{ 'admin-port': '0' }, {}, /^--admin-port must be the port that the balancer chose, .* not 0$/],
    [{}, { LB_ADMIN_PORT: '0' }, /^LB_ADMIN_PORT must be the port .* not 0$/],
    [{ url: 'http://127.0.0.1:0' }, {}, /^--url must be a URL such as/],
  ] as const)
    it(`cannot be port 0: ${JSON.stringify([flags, environment])}`, () => {
      assert.throws(() => target(flags, environment), { exitStatus: 2, message });
    });

  it('gets no token by default', () => {
    assert.equal(target({}).token, '');
  });

  it('gets the token of a flag, a variable or a file', () => {
    assert.equal(target({ 'admin-token': 'of-a-flag' }).token, 'of-a-flag');
    assert.equal(target({}, { LB_ADMIN_TOKEN: 'of-a-variable' }).token, 'of-a-variable');
    assert.equal(target({ 'admin-token-file': file }).token, 'out-of-a-file');
    assert.equal(target({}, { LB_ADMIN_TOKEN_FILE: file }).token, 'out-of-a-file');
  });

  it('prefers the token of a flag to that of the environment', () => {
    assert.equal(target({ 'admin-token': 'of-a-flag' }, { LB_ADMIN_TOKEN_FILE: file }).token, 'of-a-flag');
    assert.equal(
      target({ 'admin-token-file': file }, { LB_ADMIN_TOKEN: 'of-a-variable' }).token,
      'out-of-a-file',
    );
  });

  it('is refused with an unreadable token file', () => {
    assert.throws(() => target({}, { LB_ADMIN_TOKEN_FILE: join(folder, 'x') }), {
      exitStatus: 2,
      message: /^LB_ADMIN_TOKEN_FILE cannot be read: ENOENT/,
    });
  });
});
