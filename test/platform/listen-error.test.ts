import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isBalancerError } from '../../lib/platform/errors.ts';
import { listenError } from '../../lib/platform/listen-error.ts';

const FLAGS = { port: '--port', host: '--host' };

describe('listenError', () => {
  for (const [code, host, message] of [
    ['EADDRINUSE', '', 'port 80 is in use; stop what listens there or choose another with --port'],
    ['EADDRINUSE', '::1', '::1 port 80 is in use; stop what listens there or choose another with --port'],
    ['EACCES', '', 'port 80 needs more rights; choose one from 1024 with --port'],
    ['EADDRNOTAVAIL', '10.0.0.9', '10.0.0.9 is no address of this machine; correct --host'],
    ['EMFILE', '', 'cannot listen on port 80: listen EMFILE'],
  ] as const) {
    it(`says what to do about ${code}${host === '' ? '' : ` on ${host}`}`, () => {
      const error = listenError({ code, message: `listen ${code}` }, { host, port: 80 }, FLAGS);
      assert.ok(isBalancerError(error, 'port-in-use'));
      assert.equal(error.message, message);
    });
  }
});
