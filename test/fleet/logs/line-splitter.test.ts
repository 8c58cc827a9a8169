import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LineSplitter, MAX_LINE_BYTES } from '../../../lib/fleet/logs/line-splitter.ts';

/** The lines of the pieces, pushed one after the other. */
function linesOf(...pieces: readonly (string | Buffer)[]): readonly string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((text) => lines.push(text));
  for (const piece of pieces) splitter.push(Buffer.from(piece));
  splitter.end();
  return lines;
}

const each = (bytes: Buffer): readonly Buffer[] => [...bytes].map((byte) => Buffer.of(byte));

describe('output cut into lines', () => {
  it('joins a line that comes in pieces', () => {
    assert.deepEqual(linesOf('on', 'e\ntw', 'o\n'), ['one', 'two']);
  });

  it('keeps empty lines and drops carriage returns at line ends', () => {
    assert.deepEqual(linesOf('one\r\n\n', '\r', '\ntwo'), ['one', '', '', 'two']);
  });

  it('never cuts a character, byte by byte', () => {
    assert.deepEqual(linesOf(...each(Buffer.from('größe €uro 😀\n'))), ['größe €uro 😀']);
  });

  it('shows a half line at the end', () => {
    assert.deepEqual(linesOf('one\nhalf a li'), ['one', 'half a li']);
  });

  it('cuts a line without an end between characters', () => {
    const text = `x${'€'.repeat(10_000)}`;
    const parts = linesOf(...each(Buffer.from(text)));
    assert.equal(parts.join(''), text);
    assert.ok(parts.every((part) => Buffer.byteLength(part) <= MAX_LINE_BYTES));
    assert.deepEqual(linesOf(text), parts);
  });

  it('cuts binary data without an end into parts', () => {
    const parts = linesOf(Buffer.alloc(3 * MAX_LINE_BYTES, 0x80));
    assert.deepEqual(
      parts.map(({ length }) => length),
      [MAX_LINE_BYTES, MAX_LINE_BYTES, MAX_LINE_BYTES],
    );
  });

  it('keeps nothing of the bytes that it was given', () => {
    const lines: string[] = [];
    const splitter = new LineSplitter((text) => lines.push(text));
    const bytes = Buffer.from('one');
    splitter.push(bytes);
    bytes.fill('x');
    splitter.push(Buffer.from('\n'));
    assert.deepEqual(lines, ['one']);
  });
});
