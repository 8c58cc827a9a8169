import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Message, messagesOf } from '../../../lib/admin/dashboard/data/sse.js';

/** What is heard of a stream that comes in these pieces. */
async function heard(...pieces: readonly (string | Uint8Array<ArrayBuffer>)[]): Promise<readonly Message[]> {
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      for (const piece of pieces)
        controller.enqueue(typeof piece === 'string' ? encoder.encode(piece) : piece);
      controller.close();
    },
  });
  const messages: Message[] = [];
  for await (const message of messagesOf(stream)) messages.push(message);
  return messages;
}

describe('the stream of events, as the page reads it', () => {
  it('gives each message with its event and its data', async () => {
    const messages = await heard('event: snapshot\ndata: {"a":1}\n\nevent: events\ndata: []\n\n');
    assert.deepEqual(messages, [
      { event: 'snapshot', data: '{"a":1}' },
      { event: 'events', data: '[]' },
    ]);
  });

  it('waits for the end of a message that comes in pieces', async () => {
    assert.deepEqual(await heard('event: a\nda', 'ta: x: y\n', '\n'), [{ event: 'a', data: 'x: y' }]);
  });

  it('puts together a letter that is cut in two', async () => {
    const bytes = new TextEncoder().encode('data: é\n\n');
    assert.deepEqual(await heard(bytes.slice(0, 7), bytes.slice(7)), [{ event: 'message', data: 'é' }]);
  });

  it('passes over comments, and what has not ended', async () => {
    assert.deepEqual(await heard(': still here\n\nretry: 2000\n\ndata: 1\n\ndata: 2'), [
      { event: 'message', data: '1' },
    ]);
  });

  it('joins several lines of data', async () => {
    assert.deepEqual(await heard('data: a\ndata\ndata:b\n\n'), [{ event: 'message', data: 'a\n\nb' }]);
  });

  it('ends the stream it reads where its reader has heard enough', async () => {
    let cancelled = false;
    const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (controller) => controller.enqueue(new TextEncoder().encode('data: 1\n\n')),
      cancel: () => {
        cancelled = true;
      },
    });
    for await (const _ of messagesOf(stream)) break;
    assert.equal(cancelled, true);
  });

  it('gives up on a message without end', async () => {
    const endless = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (controller) => controller.enqueue(new TextEncoder().encode('x'.repeat(1_000_000))),
    });
    await assert.rejects(messagesOf(endless).next(), /without end/);
  });
});
