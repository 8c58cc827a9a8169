/** Clients that abuse HTTP/2, at a whole balancer: they lose their connection, and nobody else notices. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { findFreePort } from '../../lib/drivers/process/free-port.ts';
import { Balancer } from '../helpers/balancer.ts';
import { makeCertificate } from '../helpers/proxy/certificates.ts';
import {
  connectRaw,
  FLAG,
  field,
  frame,
  framesOf,
  get,
  INDEXED,
  indexedField,
  request,
  settings,
  TYPE,
  word,
} from '../helpers/proxy/http2-frames.ts';
import { Peer } from '../helpers/proxy/peer.ts';

/** Nobody that keeps on gets further than this. */
const MOST_SENT_BYTES = 64 << 20;
const CANCEL = 8;
const ENHANCE_YOUR_CALM = 11;

interface Attack {
  readonly name: string;
  readonly begin?: Buffer;
  /** What is sent again and again; `round` counts from 0. */
  readonly again: (round: number) => Buffer;
}

const many = (count: number, make: (at: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, at) => make(at)));
const oddStream = (round: number, count: number, at: number): number => 2 * (round * count + at) + 1;

const ATTACKS: readonly Attack[] = [
  {
    name: 'streams that are reset at once',
    again: (round) =>
      many(50, (at) => {
        const stream = oddStream(round, 50, at);
        return Buffer.concat([get(stream, '/home'), frame(TYPE.reset, 0, stream, word(CANCEL))]);
      }),
  },
  {
    name: 'a head that never ends',
    begin: frame(TYPE.headers, FLAG.endStream, 1, request('/home')),
    again: () => many(100, () => frame(TYPE.continuation, 0, 1, field('x', 'y'))),
  },
  {
    name: 'empty continuations',
    begin: frame(TYPE.headers, FLAG.endStream, 1, request('/home')),
    again: () => many(1000, () => frame(TYPE.continuation, 0, 1)),
  },
  { name: 'settings without end, not reading', again: () => many(1000, () => settings([[4, 65_535]])) },
  {
    name: 'pings without end, not reading',
    again: () => many(1000, () => frame(TYPE.ping, 0, 0, Buffer.alloc(8))),
  },
  {
    name: 'data without a byte',
    // in one TLS record: the replica responds without waiting for a body, and its response ends the stream
    begin: Buffer.concat([
      frame(TYPE.headers, FLAG.endHeaders, 1, request('/home', 'POST')),
      many(1500, () => frame(TYPE.data, 0, 1)),
    ]),
    again: () => many(1000, () => frame(TYPE.data, 0, 1)),
  },
  {
    name: 'data for no stream',
    again: () => many(100, () => frame(TYPE.data, 0, 1001, Buffer.alloc(100))),
  },
  {
    name: 'windows beyond their limit',
    again: () => many(100, () => frame(TYPE.windowUpdate, 0, 0, word(2 ** 31 - 1))),
  },
];

describe('attacks over HTTP/2', () => {
  let directory: string;
  let balancer: Balancer;
  let tlsPort: number;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ringlb-h2-'));
    const { cert, key } = makeCertificate(['localhost']);
    await writeFile(join(directory, 'site.crt'), cert);
    await writeFile(join(directory, 'site.key'), key);
    tlsPort = (await findFreePort(new Set()))!;
    const files = `--tls-cert ${join(directory, 'site.crt')} --tls-key ${join(directory, 'site.key')}`;
    balancer = await Balancer.ready(`--replicas 1 --workers 1 --tls-port ${tlsPort} ${files} --http2 on`);
  });
  after(async () => {
    await balancer.stop();
    await rm(directory, { recursive: true });
  });

  /** Sends until the connection is over, or too much was taken. */
  async function attack({ begin, again }: Attack): Promise<Peer> {
    const peer = await connectRaw(tlsPort);
    if (begin !== undefined) peer.send(begin);
    for (let round = 0; !peer.isEnded && peer.socket.bytesWritten < MOST_SENT_BYTES; round++) {
      if (peer.send(again(round))) await new Promise((resolve) => setImmediate(resolve));
      else await Promise.race([new Promise((resolve) => peer.socket.once('drain', resolve)), peer.over()]);
    }
    return peer;
  }

  async function assertServes(): Promise<void> {
    assert.equal((await balancer.ask('GET', '/home')).status, 200);
    const peer = await connectRaw(tlsPort);
    peer.send(get(1, '/home'));
    await peer.until('a response', () => framesOf(peer).some(({ type }) => type === TYPE.data));
    peer.close();
    assert.doesNotMatch(balancer.stderr, /thread|uncaught/i);
  }

  for (const each of ATTACKS) {
    it(`${each.name} cost a client its connection`, async () => {
      const peer = await attack(each);
      assert.equal(peer.isEnded, true, `it took ${peer.socket.bytesWritten} bytes`);
      peer.close();
      await assertServes();
    });
  }

  it('two thousand handshakes that stop half-way leave the plain port alone', async () => {
    // the beginning of a hello, and no more
    const hello = Buffer.of(0x16, 3, 1, 2, 0, 1);
    const flood = await Promise.all(Array.from({ length: 2000 }, () => Peer.connect(tlsPort)));
    for (const peer of flood) peer.send(hello);
    for (let count = 0; count < 20; count++) assert.equal((await balancer.ask('GET', '/home')).status, 200);
    for (const peer of flood) peer.close();
    await assertServes();
  });

  // Node.js itself takes no head of more than 16 MB
  for (const megabytes of [3, 30])
    it(`a head that unpacks to ${megabytes} MB costs its stream`, async () => {
      const peer = await connectRaw(tlsPort);
      const bomb = Buffer.concat([
        request('/home'),
        indexedField('x', 'y'.repeat(3000)),
        Buffer.alloc((megabytes * 1e6) / 3000, INDEXED),
      ]);
      peer.send(frame(TYPE.headers, FLAG.endHeaders | FLAG.endStream, 1, bomb));
      const reset = await peer.until('a reset', () => framesOf(peer).find(({ type }) => type === TYPE.reset));
      assert.equal(reset.payload.readUInt32BE(), ENHANCE_YOUR_CALM);
      peer.send(get(3, '/home'));
      await peer.until('a response', () => framesOf(peer).some(({ type }) => type === TYPE.data));
      peer.close();
      await assertServes();
    });
});
