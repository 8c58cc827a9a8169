/** Accepted connections that have no socket before something needs one. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Acceptor } from '../../../lib/proxy/downstream/acceptor.ts';
import { type BareInput, type BareOwner, BareSocket } from '../../../lib/proxy/io/bare-socket.ts';
import {
  acceptBare,
  type BareHandle,
  READ_INTO,
  readRaw,
  SCRATCH,
} from '../../../lib/proxy/io/node-internals.ts';
import { writeBatcher } from '../../../lib/proxy/io/write-batcher.ts';
import { eventually } from '../../helpers/eventually.ts';
import { Peer } from '../../helpers/proxy/peer.ts';

/** More than the kernel holds for a peer that reads nothing. */
const MUCH = 'much '.repeat(4_000_000);

/** Notes what it is told. */
class Owner implements BareOwner, BareInput {
  received = '';
  /** Its socket is read as the stream that it is. */
  isStream = false;
  socket: Socket | undefined;
  readonly told: string[] = [];
  /** Of each read, how much came and whether there is more. */
  readonly reads: { readonly bytes: number; readonly isFull: boolean }[] = [];
  onReceived: () => void = () => {};

  read(memory: Buffer, bytes: number, isFull = false): boolean {
    this.reads.push({ bytes, isFull });
    this.received += memory.toString('latin1', 0, bytes);
    this.onReceived();
    return true;
  }

  open(socket: Socket): void {
    this.socket = socket;
    this.told.push('socket');
    if (this.isStream)
      socket.on('data', (chunk: Buffer) => {
        this.received += chunk.toString('latin1');
      });
    else readRaw(socket, (bytes, memory) => this.read(memory, bytes));
    for (const event of ['end', 'error', 'close']) socket.on(event, () => this.told.push(event));
  }

  onClosed(): void {
    this.told.push('closed');
  }
}

/** A connection, the end that is read and written, and its peer. */
async function pair(t: TestContext, { isRead = true, onHandle = (_: BareHandle): void => {} } = {}) {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = Promise.withResolvers<BareSocket>();
  const accept = (handle: BareHandle): void => {
    onHandle(handle);
    accepted.resolve(new BareSocket(handle));
  };
  assert.ok(acceptBare(server, accept));
  const peer = await Peer.connect((server.address() as AddressInfo).port);
  const bare = await accepted.promise;
  t.after(() => {
    bare.destroy();
    peer.close();
    server.close();
  });
  const owner = new Owner();
  bare.open(owner, owner);
  if (isRead) bare.resume();
  return { bare, owner, peer };
}

/** Another connection is made, sends and is read: what came before on any has been read by then, where it is read at all. */
async function anotherRead(t: TestContext): Promise<void> {
  const { owner, peer } = await pair(t);
  peer.send('beside');
  await eventually('the other', () => owner.received === 'beside');
}

test('a bare connection takes what comes, writes and closes without a socket', async (t) => {
  const { bare, owner, peer } = await pair(t);
  assert.equal(bare.remoteAddress, '127.0.0.1');
  peer.send('request');
  await eventually('the request', () => owner.received === 'request');
  bare.write('respons\xe9', 'latin1');
  assert.deepEqual([bare.bytesRead, bare.bytesWritten, bare.writableLength], [7, 8, 0]);
  bare.destroy();
  await peer.take('respons\xe9');
  await peer.over();
  assert.deepEqual([owner.told, bare.destroyed, bare.writable], [['closed'], true, false]);
});

/** Notes each write to a handle, and each time that its writes begin or cease to go out at once. */
function noteWrites(noted: string[]): (handle: BareHandle) => void {
  return (handle) => {
    const { setNoDelay, writeLatin1String } = handle;
    handle.setNoDelay = (isOn) => {
      noted.push(`no delay: ${isOn}`);
      return setNoDelay.call(handle, isOn);
    };
    handle.writeLatin1String = (request, text) => {
      noted.push(text);
      return writeLatin1String.call(handle, request, text);
    };
  };
}

test('a second write does not wait for the first to be acknowledged', async (t) => {
  const noted: string[] = [];
  const { bare, peer } = await pair(t, { onHandle: noteWrites(noted) });
  for (const text of ['one ', 'two ', 'three']) bare.write(text, 'latin1');
  await peer.take('one two three');
  assert.deepEqual(noted, ['one ', 'no delay: true', 'two ', 'three']);
});

for (const isWritten of [true, false])
  test(`a socket that is made ${isWritten ? 'after a write' : 'before any write'} does not wait either`, async (t) => {
    const noted: string[] = [];
    const { bare, peer } = await pair(t, { onHandle: noteWrites(noted) });
    if (isWritten) bare.write('bare ', 'latin1');
    bare.socket.write('socket');
    await peer.take(isWritten ? 'bare socket' : 'socket');
    assert.equal(noted.filter((what) => what === 'no delay: true').length, 1);
    assert.equal(noted.indexOf('no delay: true'), isWritten ? 1 : 0);
  });

test('what is read ends where the byte behind it may be overwritten', async (t) => {
  const { owner, peer } = await pair(t);
  owner.onReceived = () => SCRATCH.fill(0);
  peer.send('first');
  await eventually('the first', () => owner.received === 'first');
  peer.send(' second');
  await eventually('the second', () => owner.received === 'first second');
});

test('a read that fills the memory tells that there is more', async (t) => {
  const { owner, peer } = await pair(t);
  peer.send(MUCH);
  await eventually('a full read', () => owner.reads.some(({ bytes }) => bytes === READ_INTO.length));
  await eventually('all', () => owner.received.length === MUCH.length);
  for (const { bytes, isFull } of owner.reads) assert.equal(isFull, bytes === READ_INTO.length);
});

test('a socket that is made goes on where the bare connection was', async (t) => {
  const { bare, owner, peer } = await pair(t);
  peer.send('bare ');
  await eventually('the first', () => owner.received === 'bare ');
  bare.write('one ', 'latin1');
  const { socket } = bare;
  assert.equal(bare.socket, socket);
  // as the stream of any connection that is read
  await eventually('it to flow', () => socket.readableFlowing === true);
  socket.write('two ');
  bare.write('three', 'latin1');
  await peer.take('one two three');
  peer.send('socket');
  await eventually('the rest', () => owner.received === 'bare socket');
  assert.equal(bare.writable, true);
  bare.destroySoon();
  assert.equal(bare.writable, false);
  await peer.over();
  await eventually('the close', () => owner.told.length === 2);
  assert.deepEqual(owner.told, ['socket', 'close']);
});

test('a socket that is made within a read reads on, as a stream too', async (t) => {
  const { bare, owner, peer } = await pair(t);
  owner.isStream = true;
  owner.onReceived = () => void bare.socket;
  peer.send('first');
  await eventually('a socket', () => owner.socket !== undefined);
  peer.send(' second');
  await eventually('the second', () => owner.received === 'first second');
});

test('what came before anything was read is read by a socket', async (t) => {
  const { bare, owner, peer } = await pair(t, { isRead: false });
  owner.isStream = true;
  peer.send('early');
  bare.socket.resume();
  await eventually('what came early', () => owner.received === 'early');
});

test('a bare connection that is paused is not read before it is resumed', async (t) => {
  const { bare, owner, peer } = await pair(t);
  owner.onReceived = () => bare.pause();
  peer.send('first');
  await eventually('the first', () => owner.received === 'first');
  peer.send(' second');
  await anotherRead(t);
  assert.equal(owner.received, 'first');
  bare.resume();
  await eventually('the second', () => owner.received === 'first second');
  assert.deepEqual(owner.told, []);
});

test('a socket that is made while nothing is read does not read either', async (t) => {
  const { bare, owner, peer } = await pair(t);
  bare.pause();
  peer.send('held');
  const { socket } = bare;
  await anotherRead(t);
  assert.equal(owner.received, '');
  socket.resume();
  await eventually('what was held', () => owner.received === 'held');
});

test('a socket writes behind what was held for the end of the round', async (t) => {
  const { bare, peer } = await pair(t);
  writeBatcher.write(bare, 'held ');
  bare.socket.write('socket');
  await peer.take('held socket');
});

test('what the kernel does not take at once makes a socket, and goes out in order', async (t) => {
  const { bare, owner, peer } = await pair(t);
  bare.write(MUCH, 'latin1');
  assert.deepEqual([owner.told, bare.writableLength], [['socket'], MUCH.length]);
  assert.equal(bare.writableNeedDrain, true);
  const drained = once(bare.socket, 'drain');
  bare.socket.write('end');
  await peer.take(`${MUCH}end`);
  await drained;
  assert.equal(bare.writableLength, 0);
});

test('closing after a write that the kernel has not taken loses none of it', async (t) => {
  const { bare, owner, peer } = await pair(t);
  writeBatcher.write(bare, MUCH);
  writeBatcher.closeAfterWrites(bare);
  await peer.take(MUCH);
  await peer.over();
  await eventually('the close', () => owner.told.at(-1) === 'close');
});

test('a client that ends its side is told of by a socket, once', async (t) => {
  const { bare, owner, peer } = await pair(t);
  peer.send('last');
  peer.socket.end();
  await eventually('the end', () => owner.told.includes('end'));
  assert.deepEqual([owner.received, owner.told], ['last', ['socket', 'end']]);
  bare.socket.end('response');
  await peer.take('response');
});

test('a socket that was made before tells that its client has ended its side', async (t) => {
  const { bare, owner, peer } = await pair(t);
  assert.equal(bare.socket.destroyed, false);
  peer.socket.end();
  await eventually('the end', () => owner.told.includes('end'));
});

test('a client that resets closes the connection, once', async (t) => {
  const { bare, owner, peer } = await pair(t);
  peer.socket.resetAndDestroy();
  await eventually('the close', () => owner.told.length > 0);
  bare.destroy();
  await new Promise(setImmediate);
  assert.deepEqual([owner.told, bare.destroyed], [['closed'], true]);
});

test('a write to a client that has reset closes the connection, without a socket', async (t) => {
  const { bare, owner, peer } = await pair(t, { isRead: false });
  peer.reset();
  await eventually('a write that fails', () => {
    bare.write('response', 'latin1');
    return bare.destroyed;
  });
  await eventually('the end', () => owner.told.length > 0);
  assert.deepEqual(owner.told, ['closed']);
});

test('nothing is written on a closed connection, and its socket is destroyed', async (t) => {
  const { bare, owner, peer } = await pair(t);
  bare.destroy();
  // nobody who closes it is told within that
  assert.deepEqual(owner.told, []);
  bare.write('late', 'latin1');
  assert.equal(bare.socket.destroyed, true);
  await peer.over();
  assert.deepEqual(owner.told, ['closed']);
});

for (const isBare of [true, false])
  test(`an acceptor ${isBare ? 'hands over bare connections where it is told to' : 'makes sockets elsewhere'}`, async (t) => {
    const taken: boolean[] = [];
    const owner = {
      accept: (carrier: Socket | BareSocket) => {
        taken.push(carrier instanceof BareSocket);
        carrier.destroy();
      },
      capacity: () => 10,
      onRush: () => {},
    };
    const acceptor = new Acceptor({ host: '127.0.0.1', port: 0, reusePort: false, isBare }, owner);
    t.after(() => acceptor.close());
    const peer = await Peer.connect(await acceptor.listen());
    await peer.over();
    assert.deepEqual(taken, [isBare]);
  });
