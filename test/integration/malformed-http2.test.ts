/** A replica whose HTTP/2 heads are malformed, at a whole balancer: each request is a 502, and the process goes on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Balancer } from '../helpers/balancer.ts';
import { FLAG, field, frame, framesOf, settings, TYPE } from '../helpers/proxy/http2-frames.ts';
import { get, statusOf } from '../helpers/proxy/message.ts';
import { Peer } from '../helpers/proxy/peer.ts';
import { FakeReplica } from '../helpers/proxy/replica.ts';

const REQUESTS = 3000;
const AT_ONCE = 30;
const PREFACE_BYTES = 24;
/** Names of fields are in lower case (RFC 9113 section 8.2.1). */
const HEAD = Buffer.concat([field(':status', '200'), field('X-Upper', '1')]);

/** Responds to every request of the session as soon as it comes. */
function respondTo(replica: Peer): void {
  let hasPreface = false;
  let last = 0;
  const look = (): void => {
    if (!hasPreface && replica.received.length < PREFACE_BYTES) return;
    if (!hasPreface) replica.received = replica.received.slice(PREFACE_BYTES);
    hasPreface = true;
    for (const { type, stream } of framesOf(replica)) {
      if (type !== TYPE.headers || stream <= last) continue;
      last = stream;
      const body = frame(TYPE.data, FLAG.endStream, stream, Buffer.from('ok'));
      replica.send(Buffer.concat([frame(TYPE.headers, FLAG.endHeaders, stream, HEAD), body]));
    }
  };
  replica.send(Buffer.concat([settings(), frame(TYPE.settings, FLAG.ack, 0)]));
  replica.socket.on('data', look);
  look();
}

test('malformed heads end no more than their requests', async (t) => {
  const server = await FakeReplica.open();
  t.after(() => server.close());
  let isOver = false;
  const responding = (async () => {
    while (!isOver) respondTo(await server.next());
  })();
  const balancer = await Balancer.serving(
    `--driver static --upstreams http://127.0.0.1:${server.port} --workers 2 --upstream-protocol h2 --probe-interval 0 --eject-after 0 --eject-outliers off`,
    [],
    // with a heap as in service: when what is collected decides
    { env: { LB_REHEARSAL: 'on' } },
  );
  t.after(() => balancer.stop());
  let left = REQUESTS;
  const client = async (): Promise<void> => {
    for (; left > 0; left--) {
      const peer = await Peer.connect(balancer.publicPort);
      peer.send(get('/', 'Connection: close\r\n'));
      assert.equal(statusOf(await peer.response()), 502);
      peer.close();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, client));
  isOver = true;
  // the last call waits for a session that does not come
  await Promise.allSettled([responding]);
});
