/** What the balancer holds of the bodies of HTTP/2 clients: no more than they may send of them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { eventually } from '../../helpers/eventually.ts';
import { testMaterial } from '../../helpers/proxy/certificates.ts';
import { connectRaw, FLAG, frame, framesOf, request, TYPE } from '../../helpers/proxy/http2-frames.ts';
import { Rig } from '../../helpers/proxy/rig.ts';

/** Nearly a record of TLS, so that it is read together with the byte before it. */
const LARGE = Buffer.alloc(16_000);
const MOST_BYTES = 4_000_000;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function held(): number {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Passes once what is on its way has arrived, and what was freed is counted so: a thread of its own does that. */
function holdsLittle(before: number): Promise<true> {
  return eventually(`less than ${MOST_BYTES} bytes more`, () => {
    const more = held() - before;
    assert.ok(more < MOST_BYTES, `${more} bytes more`);
    return true;
  });
}

test('bytes of a body that waits do not hold what was read beside them', async (t) => {
  const rig = await Rig.open(t, { tls: testMaterial(), http2: true, maxInFlight: 1 });
  const session = connect(`https://localhost:${rig.port}`, { rejectUnauthorized: false });
  session.on('error', () => {});
  t.after(() => session.destroy());
  await once(session, 'connect');
  const taken = session.request({ ':method': 'POST' });
  taken.on('error', () => {});
  const replica = await rig.replica.next();
  await replica.head();
  replica.isKept = false;
  const waiting = session.request({ ':method': 'POST' });
  waiting.on('error', () => {});
  const before = held();
  for (let count = 0; count < 1500; count++) {
    waiting.write('x');
    await new Promise((resolve) => taken.write(LARGE, resolve));
  }
  await holdsLittle(before);
});

test('a body that waits costs what it has, however small its pieces, and arrives in order', async (t) => {
  const rig = await Rig.open(t, { tls: testMaterial(), http2: true, maxInFlight: 1 });
  const peer = await connectRaw(rig.port);
  t.after(() => peer.close());
  const post = (stream: number): Buffer => frame(TYPE.headers, FLAG.endHeaders, stream, request('/', 'POST'));
  peer.send(post(1));
  const replica = await rig.replica.next();
  await replica.head();
  const before = held();
  const letters = Array.from({ length: 60_000 }, (_, at) => 97 + (at % 26));
  peer.send(Buffer.concat([post(3), ...letters.map((letter) => frame(TYPE.data, 0, 3, Buffer.of(letter)))]));
  const ping = frame(TYPE.ping, FLAG.none, 0, Buffer.alloc(8));
  peer.send(ping);
  await eventually('all is read', () => framesOf(peer).some(({ type }) => type === TYPE.ping));
  await holdsLittle(before);
  peer.send(Buffer.concat([frame(TYPE.data, FLAG.endStream, 1), frame(TYPE.data, FLAG.endStream, 3)]));
  await replica.take('0\r\n\r\n');
  rig.replica.serve();
  replica.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  const body = await eventually('the body', () => rig.replica.requests.at(-1)?.body);
  assert.equal(body, Buffer.from(letters).toString('latin1'));
});
