/**
 * Server-sent events out of a stream of bytes, as far as this server sends them: `event` and `data` lines.
 * EventSource cannot carry an Authorization header, so the page reads the stream itself.
 * Must not hold: what a message means. Source: HTML standard, section 9.2.6.
 */

/** @typedef {{ readonly event: string, readonly data: string }} Message */

/** The most characters of a message that has not ended; more is no stream of ours. */
const MAX_CHARACTERS = 4_000_000;

/**
 * The messages of a stream, each once its blank line has come. Throws what reading throws.
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} stream
 * @returns {AsyncGenerator<Message, void, undefined>}
 */
export async function* messagesOf(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split('\n\n');
      rest = blocks.pop() ?? '';
      if (rest.length > MAX_CHARACTERS) throw new Error('the stream has a message without end');
      for (const block of blocks) {
        const message = parse(block);
        if (message !== undefined) yield message;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/**
 * @param {string} block
 * @returns {Message | undefined} undefined where it has no data, as a comment has not
 */
function parse(block) {
  let event = 'message';
  /** @type {string[]} */
  const data = [];
  for (const line of block.split('\n')) {
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
    if (field === 'event') event = value;
    if (field === 'data') data.push(value);
  }
  return data.length === 0 ? undefined : { event, data: data.join('\n') };
}
