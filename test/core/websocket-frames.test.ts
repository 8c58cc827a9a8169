import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GOING_AWAY_FRAME, WebSocketFrames } from '../../lib/core/websocket-frames.ts';

/** A frame of RFC 6455 with a payload of so many bytes. */
function frame(bytes: number, { opcode = 2, isMasked = false } = {}): Buffer {
  const mask = isMasked ? 0x80 : 0;
  const head =
    bytes < 126
      ? [0x80 | opcode, mask | bytes]
      : bytes < 65_536
        ? [0x80 | opcode, mask | 126, bytes >> 8, bytes & 0xff]
        : [0x80 | opcode, mask | 127, 0, 0, 0, 0, 0, bytes >> 16, (bytes >> 8) & 0xff, bytes & 0xff];
  // a payload that looks like heads of frames
  return Buffer.concat([Buffer.from(head), Buffer.alloc(isMasked ? 4 : 0, 0x88), Buffer.alloc(bytes, 0x81)]);
}

const FRAMES = fc.array(
  fc.record({
    bytes: fc.oneof(fc.nat(300), fc.constantFrom(65_535, 65_536, 70_000)),
    isMasked: fc.boolean(),
  }),
  { minLength: 1, maxLength: 6 },
);

test('frames end where they end, however their bytes are cut', () => {
  fc.assert(
    fc.property(FRAMES, fc.array(fc.integer({ min: 1, max: 2000 })), (drawn, cuts) => {
      const all = drawn.map(({ bytes, isMasked }) => frame(bytes, { isMasked }));
      let end = 0;
      const ends = new Set(all.map(({ length }) => (end += length)));
      const bytes = Buffer.concat(all);
      const frames = new WebSocketFrames();
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const chunk = bytes.subarray(at, at + (cuts[turn] ?? 1 + (turn % 977)));
        frames.take(chunk);
        at += chunk.length;
        assert.equal(frames.isAtBoundary, ends.has(at), `at ${at}`);
      }
    }),
    { numRuns: 200 },
  );
});

test('takeToBoundary stops at the end of the frame at hand', () => {
  const bytes = Buffer.concat([frame(200), frame(5)]);
  const frames = new WebSocketFrames();
  frames.take(bytes.subarray(0, 3));
  assert.equal(frames.isAtBoundary, false);
  assert.equal(frames.takeToBoundary(bytes.subarray(3)), frame(200).length - 3);
  assert.equal(frames.isAtBoundary, true);
});

test('takeToBoundary takes all where the frame goes on', () => {
  const frames = new WebSocketFrames();
  frames.take(frame(200).subarray(0, 4));
  assert.equal(frames.takeToBoundary(Buffer.alloc(50)), 50);
});

test('a close frame is noticed, and its payload is part of it', () => {
  const frames = new WebSocketFrames();
  frames.take(frame(10));
  assert.equal(frames.hasClosed, false);
  frames.take(GOING_AWAY_FRAME);
  assert.deepEqual([frames.hasClosed, frames.isAtBoundary], [true, true]);
});
