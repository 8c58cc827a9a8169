/** Replicas over HTTP/2 that end a response before they have had all of its request, and send no reset. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FLAG, field, frame, framesOf, settings, TYPE, word } from '../../../helpers/proxy/http2-frames.ts';
import { get, statusOf } from '../../../helpers/proxy/message.ts';
import { Rig } from '../../../helpers/proxy/rig.ts';

const CHUNKED = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
const UPLOADS = 20;

/** A session that a request keeps open which gets no response. */
async function stage(t: TestContext) {
  const rig = await Rig.open(t, { upstreamProtocol: 'h2', retries: 0 });
  (await rig.client()).send(get('/held'));
  const replica = await rig.replica.next();
  await replica.take('SM\r\n\r\n');
  replica.send(settings());
  const streamsOf = (type: number): number[] =>
    framesOf(replica)
      .filter((one) => one.type === type)
      .map(({ stream }) => stream);
  /** The number of the stream of the request that comes `count`th. */
  const arrived = (count: number): Promise<number> =>
    replica.until(`request ${count}`, () => streamsOf(TYPE.headers)[count - 1]);
  await arrived(1);
  return { rig, replica, streamsOf, arrived };
}

const ENDS = {
  'a head': (stream: number) => frame(TYPE.headers, FLAG.endHeaders | FLAG.endStream, stream, NO_CONTENT),
  'a head and the end behind it': (stream: number) =>
    Buffer.concat([
      frame(TYPE.headers, FLAG.endHeaders, stream, NO_CONTENT),
      frame(TYPE.data, FLAG.endStream, stream),
    ]),
  'a body of announced length and the end behind it': (stream: number) =>
    Buffer.concat([
      frame(TYPE.headers, FLAG.endHeaders, stream, Buffer.concat([OK, field('content-length', '2')])),
      frame(TYPE.data, FLAG.none, stream, Buffer.from('ok')),
      frame(TYPE.data, FLAG.endStream, stream),
    ]),
  'a body in chunks': (stream: number) =>
    Buffer.concat([
      frame(TYPE.headers, FLAG.endHeaders, stream, OK),
      frame(TYPE.data, FLAG.endStream, stream, Buffer.from('ok')),
    ]),
};
const OK = field(':status', '200');
const NO_CONTENT = field(':status', '204');

for (const [what, endOf] of Object.entries(ENDS)) {
  test(`an upload that ${what} answers is reset, and its session goes on`, async (t) => {
    const { rig, replica, streamsOf, arrived } = await stage(t);
    for (let count = 1; count <= UPLOADS; count++) {
      const client = await rig.client();
      client.send(CHUNKED);
      const stream = await arrived(count + 1);
      replica.send(endOf(stream));
      assert.match(String(statusOf(await client.response())), /^20[04]$/);
      client.send('1\r\nx\r\n0\r\n\r\n');
      await client.over();
      await replica.until('the reset', () => streamsOf(TYPE.reset).includes(stream));
    }
    assert.equal(rig.replica.connections.length, 1);
  });
}

test('a request whose stream is reset without an error and a response is a 502 at once', async (t) => {
  const { rig, replica, arrived } = await stage(t);
  const client = await rig.client();
  client.send(get('/'));
  replica.send(frame(TYPE.reset, FLAG.none, await arrived(2), word(0)));
  assert.equal(statusOf(await client.response()), 502);
});
