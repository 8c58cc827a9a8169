/** Pieces in memory that is overwritten go out whole, and only what the kernel does not take is held. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Writable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { BulkWriter } from '../../../lib/proxy/io/bulk-writer.ts';
import { largeReadBudget } from '../../../lib/proxy/io/large-reads.ts';
import { eventually } from '../../helpers/eventually.ts';
import { Peer } from '../../helpers/proxy/peer.ts';

async function pair(t: TestContext): Promise<{ readonly socket: Socket; readonly peer: Peer }> {
  const server = createServer({ noDelay: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const accepted = once(server, 'connection');
  const peer = await Peer.connect((server.address() as AddressInfo).port);
  const [socket] = (await accepted) as [Socket];
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  t.after(() => peer.close());
  return { socket, peer };
}

const PIECE_BYTES = 100_000;

/** Writes the same memory with other contents again and again, until a write says that it was too much. */
function fill(writer: BulkWriter): string {
  const memory = Buffer.alloc(PIECE_BYTES);
  let written = '';
  for (let hasRoom = true; hasRoom; ) {
    const letter = String.fromCharCode(97 + ((written.length / PIECE_BYTES) % 26));
    memory.fill(letter);
    hasRoom = writer.write(memory);
    written += letter.repeat(PIECE_BYTES);
  }
  memory.fill('!');
  return written;
}

test('pieces of overwritten memory arrive as they were', async (t) => {
  const { socket, peer } = await pair(t);
  peer.pause();
  const written = fill(new BulkWriter(socket, () => {}));
  peer.resume();
  assert.equal(await peer.takeBytes(written.length), written);
});

test('what a stalled peer does not take is held, and no more', async (t) => {
  const { socket, peer } = await pair(t);
  peer.pause();
  fill(new BulkWriter(socket, () => {}));
  assert.ok(largeReadBudget.heldBytes > 0 && largeReadBudget.heldBytes <= PIECE_BYTES);
  assert.equal(socket.writableLength, largeReadBudget.heldBytes);
  peer.isKept = false;
  peer.resume();
  await eventually('nothing is held', () => largeReadBudget.heldBytes === 0);
});

test('there is room once all that was held has been taken', async (t) => {
  const { socket, peer } = await pair(t);
  peer.pause();
  let rooms = 0;
  const writer = new BulkWriter(socket, () => rooms++);
  fill(writer);
  assert.deepEqual([writer.isFull, rooms], [true, 0]);
  peer.isKept = false;
  peer.resume();
  await eventually('there is room', () => rooms === 1);
  assert.equal(writer.isFull, false);
});

test('text that the stream holds comes before the pieces behind it', async (t) => {
  const { socket, peer } = await pair(t);
  const writer = new BulkWriter(socket, () => {});
  socket.cork();
  writer.writeText('first ');
  writer.write(Buffer.from('second'));
  socket.uncork();
  await peer.take('first second');
});

test('what was held for a peer that has gone is not held any more', async (t) => {
  const { socket, peer } = await pair(t);
  peer.pause();
  fill(new BulkWriter(socket, () => assert.fail('a socket that has gone has no room')));
  socket.destroy();
  await eventually('nothing is held', () => largeReadBudget.heldBytes === 0);
});

test('a stream without a descriptor is waited for once it holds 16 KiB', async () => {
  const taken: (() => void)[] = [];
  const stream = new Writable({
    highWaterMark: 65_536,
    write: (_piece, _encoding, onTaken) => void taken.push(onTaken),
  });
  let rooms = 0;
  const writer = new BulkWriter(stream, () => rooms++);
  assert.equal(writer.write(Buffer.alloc(16_000)), true);
  assert.equal(writer.write(Buffer.alloc(16_000)), false);
  while (taken.length > 0) {
    taken.shift()!();
    await turn();
  }
  assert.deepEqual([writer.isFull, rooms], [false, 1]);
});
