/** Which requests a plain connection serves without a socket, and which have one made. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { BareSocket } from '../../../lib/proxy/io/bare-socket.ts';
import { get, ok, post, statusOf } from '../../helpers/proxy/message.ts';
import { Rig } from '../../helpers/proxy/rig.ts';
import { pathOf, SWITCHED, UPGRADE } from '../../helpers/proxy/scenes.ts';

/** Notes every connection that is asked for its socket. */
function noteSockets(t: TestContext): Set<BareSocket> {
  const asked = new Set<BareSocket>();
  const whole = Object.getOwnPropertyDescriptor(BareSocket.prototype, 'socket')!;
  Object.defineProperty(BareSocket.prototype, 'socket', {
    configurable: true,
    get(this: BareSocket) {
      asked.add(this);
      return whole.get!.call(this);
    },
  });
  t.after(() => Object.defineProperty(BareSocket.prototype, 'socket', whole));
  return asked;
}

const CLOSE = 'Connection: close\r\n';
const SHORT: Readonly<Record<string, string>> = {
  'a request on a connection that is kept': get('/'),
  'a request that closes its connection': get('/', CLOSE),
  'a request of HTTP/1.0': get('/').replace('1.1', '1.0'),
  'a small body': post('/', 'body'),
};

for (const [what, wire] of Object.entries(SHORT))
  test(`${what} needs no socket`, async (t) => {
    const asked = noteSockets(t);
    const rig = await Rig.open(t);
    rig.replica.serve(() => ok('short'));
    const client = await rig.client();
    client.send(wire);
    assert.ok(statusOf(await client.response()) >= 200);
    assert.equal(asked.size, 0);
  });

const LONG: Readonly<Record<string, string>> = {
  'a large response': get('/large'),
  'a large body': post('/', 'b'.repeat(300_000)),
  'an upgrade': UPGRADE,
};

for (const [what, wire] of Object.entries(LONG))
  test(`${what} has a socket made`, async (t) => {
    const asked = noteSockets(t);
    const rig = await Rig.open(t);
    rig.replica.serve(({ startLine }, connection) => {
      if (pathOf(startLine) === '/large') return ok('l'.repeat(300_000));
      if (wire !== UPGRADE) return ok('short');
      connection.send(SWITCHED);
      return undefined;
    });
    const client = await rig.client();
    client.send(wire);
    await client.response();
    assert.equal(asked.size, 1);
  });
