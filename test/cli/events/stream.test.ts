import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EventStreamParser } from '../../../lib/cli/events/stream.ts';

const STREAM =
  'retry: 1500\n\n: a comment\nid: a-1\nevent: healthy\ndata: {"x":1}\n\nid:a-2\ndata:one\ndata: two\ndata\n\nevent: none\n\ndata: 3\n\n';
const EVENTS = [
  { id: 'a-1', data: '{"x":1}' },
  { id: 'a-2', data: 'one\ntwo\n' },
  { id: 'a-2', data: '3' },
];

describe('the parser of server-sent events', () => {
  for (const [title, end] of [
    ['LF', '\n'],
    ['CR LF', '\r\n'],
    ['CR', '\r'],
  ] as const) {
    it(`reads ${title} line ends, however the text is cut`, () => {
      // one that ends with CR is known to be whole only once more comes
      const text = `${STREAM.replaceAll('\n', end)}:`;
      for (let size = 1; size <= text.length; size++) {
        const parser = new EventStreamParser();
        const events = [];
        for (let at = 0; at < text.length; at += size) events.push(...parser.take(text.slice(at, at + size)));
        assert.deepEqual(events, EVENTS);
        assert.equal(parser.retryMs, 1500);
      }
    });
  }

  it('ignores a non-numeric retry and an id with NUL', () => {
    const parser = new EventStreamParser();
    assert.deepEqual(parser.take('retry: soon\nid: a\u0000b\ndata: x\n\n'), [{ id: '', data: 'x' }]);
    assert.equal(parser.retryMs, undefined);
  });
});
