import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Balancer } from '../helpers/balancer.ts';
import { skipWithoutPython } from '../helpers/skip.ts';

const SERVER = fileURLToPath(new URL('./refusing-replica.ts', import.meta.url));
const PIECE = Buffer.alloc(65_536, 'x');
const ROUNDS = 15;

interface Upload {
  readonly path: string;
  readonly bytes: number;
  readonly isChunked: boolean;
  readonly version: string;
}

/** Sends the upload for as long as the connection takes it; all that came back. */
async function send(port: number, { path, bytes, isChunked, version }: Upload): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' });
  let received = '';
  let isOver = false;
  socket.setEncoding('latin1').on('data', (text: string) => {
    received += text;
  });
  socket.on('error', () => {});
  const over = once(socket, 'end').then(() => {
    isOver = true;
  });
  const framing = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${bytes}`;
  socket.write(`POST ${path} HTTP/${version}\r\nHost: a\r\nConnection: close\r\n${framing}\r\n\r\n`);
  for (let sent = 0; sent < bytes && !isOver; sent += PIECE.length) {
    const piece = isChunked ? [`${PIECE.length.toString(16)}\r\n`, PIECE, '\r\n'] : [PIECE];
    socket.cork();
    const hasRoom = piece.map((part) => socket.write(part)).at(-1);
    socket.uncork();
    if (hasRoom === false) await Promise.race([once(socket, 'drain'), over]);
  }
  if (isChunked && !isOver) socket.write('0\r\n\r\n');
  await over;
  socket.destroy();
  return received;
}

/** Sends it many times over and looks at each response. */
async function refuses(balancer: Balancer, upload: Upload, response: RegExp): Promise<void> {
  for (let round = 0; round < ROUNDS; round++)
    assert.match(await send(balancer.publicPort, upload), response, JSON.stringify(upload));
}

const LARGE = /^HTTP\/1\.1 413 [\s\S]*\r\n\r\ny{60000}$/;
const WAYS: readonly (readonly [string, RegExp])[] = [
  ['/at-once', /^HTTP\/1\.1 413 [\s\S]*too large$/],
  ['/large', LARGE],
  ['/counted', /^HTTP\/1\.1 413 [\s\S]*too large$/],
  ['/destroyed', /^HTTP\/1\.1 413 [\s\S]*too large$/],
  ['/reset', /^HTTP\/1\.1 413 [\s\S]*too large$/],
  ['/read-on', /^HTTP\/1\.1 401 [\s\S]*too large$/],
  ['/interim', /^HTTP\/1\.1 102 [\s\S]*HTTP\/1\.1 413 [\s\S]*too large$/],
];

/** Each way for both framings, for a body that fills every buffer and for one that fits into them. */
async function allWays(balancer: Balancer): Promise<void> {
  for (const [path, response] of WAYS) {
    for (const isChunked of [false, true])
      await refuses(balancer, { path, isChunked, bytes: 20 << 20, version: '1.1' }, response);
    // what is counted takes a megabyte
    if (path !== '/counted')
      await refuses(balancer, { path, isChunked: false, bytes: 384 << 10, version: '1.1' }, response);
  }
  const [, final] = WAYS[0]!;
  await refuses(balancer, { path: '/at-once', isChunked: false, bytes: 20 << 20, version: '1.0' }, final);
}

test('an upload refused midway gets that response and blames no replica', async (t) => {
  const balancer = await Balancer.ready('--driver process --replicas 3 --probe-path /', [
    '--command',
    `exec ${process.execPath} ${SERVER}`,
  ]);
  t.after(() => balancer.stop());
  await allWays(balancer);
  assert.deepEqual(
    balancer.transitions.filter((line) => line.includes('healthy→')),
    [],
  );
});

test('every upload that Python refuses with 501 gets that response', {
  skip: skipWithoutPython,
}, async (t) => {
  const balancer = await Balancer.ready('--driver process --replicas 3 --probe-path /', [
    '--command',
    'exec python3 -m http.server "$PORT" --bind 127.0.0.1',
  ]);
  t.after(() => balancer.stop());
  for (const isChunked of [false, true])
    for (const bytes of [20 << 20, 384 << 10])
      await refuses(
        balancer,
        { path: '/', isChunked, bytes, version: '1.1' },
        /^HTTP\/1\.1 501 [\s\S]*<\/html>/,
      );
  assert.deepEqual(
    balancer.transitions.filter((line) => line.includes('healthy→')),
    [],
  );
});
