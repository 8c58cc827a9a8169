/** Pieces in memory that is overwritten go out whole, and only what the kernel does not take is held. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Writable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { BulkWriter } from '../../../lib/proxy/io/bulk-writer.ts';
import { largeReadBudget } from '../../../lib/proxy/io/large-reads.ts';
import { plainDescriptorOf } from '../../../lib/proxy/io/node-internals.ts';
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
    const pattern = `${written.length / PIECE_BYTES} of them; `;
    memory.fill(pattern);
    hasRoom = writer.write(memory);
    written += memory.toString('latin1');
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
  socket.end();
  assert.equal(await peer.over(), '');
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

test('text ahead and a piece are one write, past the stream', async (t) => {
  const { socket, peer } = await pair(t);
  const writer = new BulkWriter(socket, () => {});
  socket.write = () => assert.fail('nothing is left to the stream');
  writer.writeAhead('first ');
  assert.equal(writer.write(Buffer.from('second ')), true);
  assert.equal(writer.write(Buffer.from('third')), true);
  await peer.take('first second third');
});

test('text ahead without a piece goes out at the end of the turn', async (t) => {
  const { socket, peer } = await pair(t);
  const writer = new BulkWriter(socket, () => {});
  writer.writeAhead('first ');
  await peer.take('first ');
  writer.write(Buffer.from('second'));
  await peer.take('second');
});

test('text ahead comes behind what the stream holds', async (t) => {
  const { socket, peer } = await pair(t);
  const writer = new BulkWriter(socket, () => {});
  socket.cork();
  socket.write('zeroth ');
  writer.writeAhead('first ');
  assert.equal(writer.write(Buffer.from('second')), false);
  socket.uncork();
  await peer.take('zeroth first second');
});

test('text ahead of which a stalled peer takes nothing keeps its place', async (t) => {
  const { socket, peer } = await pair(t);
  peer.pause();
  const filling = Buffer.alloc(PIECE_BYTES, '.');
  let written = 0;
  const descriptor = plainDescriptorOf(socket);
  assert.throws(() => {
    for (;;) written += writeSync(descriptor, filling);
  });
  const writer = new BulkWriter(socket, () => {});
  writer.writeAhead('first ');
  const piece = Buffer.from('second');
  assert.equal(writer.write(piece), false);
  piece.fill('!');
  peer.resume();
  assert.equal((await peer.takeBytes(written + 12)).slice(-12), 'first second');
});

test('text ahead of which the kernel takes a part goes on behind that', async (t) => {
  const { socket, peer } = await pair(t);
  peer.pause();
  const writer = new BulkWriter(socket, () => {});
  const text = '0123456'.repeat(3_000_000);
  writer.writeAhead(text);
  assert.equal(writer.write(Buffer.from('piece')), false);
  peer.resume();
  assert.ok((await peer.takeBytes(text.length + 5)) === `${text}piece`, 'the bytes are as they were');
});

test('text ahead of a long piece is followed by what the kernel did not take', async (t) => {
  const { socket, peer } = await pair(t);
  peer.pause();
  const writer = new BulkWriter(socket, () => {});
  writer.writeAhead('first ');
  const piece = Buffer.alloc(32 << 20, 'abcdefg');
  const text = piece.toString('latin1');
  assert.equal(writer.write(piece), false);
  piece.fill('!');
  peer.resume();
  assert.ok((await peer.takeBytes(6 + text.length)) === `first ${text}`, 'the bytes are as they were');
});

test('a stream without a descriptor gets text ahead and a piece at once', async () => {
  const writes: string[] = [];
  const stream = new Writable({
    decodeStrings: false,
    write: (chunk, _encoding, onTaken) => {
      writes.push(String(chunk));
      onTaken();
    },
    writev: (chunks, onTaken) => {
      writes.push(chunks.map(({ chunk }) => String(chunk)).join(''));
      onTaken();
    },
  });
  const writer = new BulkWriter(stream, () => {});
  writer.writeAhead('first ');
  writer.write(Buffer.from('second'));
  await turn();
  assert.deepEqual(writes, ['first second']);
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
