import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LineWriter, MOST_WAITING_BYTES } from '../../lib/platform/line-writer.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

/** A sink with room for so many bytes, or one that fails; what it took is in `text`. */
class Sink {
  text = '';
  room = Number.POSITIVE_INFINITY;
  failure = '';

  write(bytes: Buffer): number {
    const most = Math.min(this.room, bytes.length);
    // never all but the line end: whether such a line is whole would be a question of taste
    const count = most === bytes.length - 1 ? Math.max(0, most - 1) : most;
    if (count === 0) throw Object.assign(new Error(), { code: this.failure || 'EAGAIN' });
    this.room -= count;
    this.text += bytes.toString('latin1', 0, count);
    return count;
  }
}

function stage() {
  const sink = new Sink();
  const clock = new FakeClock();
  const writer = new LineWriter({
    write: (bytes) => sink.write(bytes),
    clock,
    formatNote: (lost) => `lost ${lost} lines\n`,
    pause: (ms) => clock.advance(ms),
  });
  return { sink, clock, writer };
}

const LONG = `${'x'.repeat(1023)}\n`;
const FITS = MOST_WAITING_BYTES / LONG.length;

/** True for the beginning of a line or of a note, and for nothing that is whole. */
const isPart = (text: string): boolean =>
  (/^\d*x*$/.test(text) && text.length < LONG.length + 8) ||
  /^(l(o(st?)?)?|lost \d*( l?i?n?e?)?)$/.test(text);

describe('LineWriter', () => {
  it('writes each line at once', () => {
    const { sink, writer } = stage();
    writer.write('one\n');
    writer.write('two\n');
    assert.equal(sink.text, 'one\ntwo\n');
    assert.equal(writer.dropped, 0);
  });

  it('buffers lines while the sink is full, and keeps their order', () => {
    const { sink, clock, writer } = stage();
    sink.room = 0;
    writer.write('one\n');
    writer.write('two\n');
    assert.equal(sink.text, '');
    sink.room = 1000;
    clock.advance(50);
    writer.write('three\n');
    assert.equal(sink.text, 'one\ntwo\nthree\n');
  });

  it('continues a line of which a full sink took a part', () => {
    const { sink, clock, writer } = stage();
    sink.room = 2;
    writer.write('one\n');
    assert.equal(sink.text, 'on');
    sink.room = 1000;
    clock.advance(50);
    assert.equal(sink.text, 'one\n');
  });

  it('drops lines beyond its bound, noting their number in their place', () => {
    const { sink, clock, writer } = stage();
    sink.room = 0;
    for (let count = 0; count < FITS + 7; count++) writer.write(LONG);
    assert.equal(writer.dropped, 7);
    sink.room = Number.POSITIVE_INFINITY;
    clock.advance(50);
    writer.write('next\n');
    assert.equal(sink.text, `${LONG.repeat(FITS)}lost 7 lines\nnext\n`);
    assert.equal(clock.pending, 0);
  });

  it('writes the note before any line after a loss', () => {
    const { sink, writer } = stage();
    sink.room = 0;
    for (let count = 0; count < FITS + 1; count++) writer.write(LONG);
    sink.room = LONG.length;
    writer.write('small\n');
    assert.equal(writer.dropped, 2);
    sink.room = Number.POSITIVE_INFINITY;
    writer.write('next\n');
    assert.equal(sink.text, `${LONG.repeat(FITS)}lost 2 lines\nnext\n`);
  });

  it('notes lines that a failing sink lost before the next one', () => {
    const { sink, writer } = stage();
    Object.assign(sink, { room: 0, failure: 'ENOSPC' });
    writer.write('one\n');
    writer.write('two\n');
    assert.equal(writer.dropped, 2);
    sink.room = 1000;
    writer.write('three\n');
    assert.equal(sink.text, 'lost 2 lines\nthree\n');
  });

  it('writes the note without a further line too', () => {
    const { sink, clock, writer } = stage();
    Object.assign(sink, { room: 0, failure: 'EPIPE' });
    writer.write('one\n');
    clock.advance(5000);
    assert.equal(sink.text, '');
    sink.room = 1000;
    clock.advance(1000);
    assert.equal(sink.text, 'lost 1 lines\n');
    assert.equal(clock.pending, 0);
  });

  it('starts a new line after one that was cut short', () => {
    const { sink, writer } = stage();
    Object.assign(sink, { room: 6, failure: 'ENOSPC' });
    writer.write('one\n');
    writer.write('two\n');
    assert.equal(sink.text, 'one\ntw');
    sink.room = 1000;
    writer.write('three\n');
    assert.equal(sink.text, 'one\ntw\nlost 1 lines\nthree\n');
  });

  it('waits at exit for a reader that makes progress', () => {
    const { sink, clock, writer } = stage();
    sink.room = 0;
    writer.write('one\n');
    writer.write('two\n');
    for (let delayMs = 100; delayMs <= 800; delayMs += 100) clock.after(delayMs, () => sink.room++);
    writer.finish();
    assert.equal(sink.text, 'one\ntwo\n');
    assert.ok(clock.nowMs() >= 800);
  });

  it('does not wait at exit for a reader that has stopped', () => {
    const { sink, clock, writer } = stage();
    sink.room = 0;
    writer.write('one\n');
    writer.finish();
    assert.ok(clock.nowMs() < 400);
    assert.equal(clock.pending, 0);
  });

  it('counts every lost line, whatever the sink does', () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ lines: fc.integer({ min: 1, max: 40 }) }),
        fc.record({ room: fc.integer({ min: 0, max: 9000 }) }),
        fc.record({ failure: fc.constantFrom('EAGAIN', 'ENOSPC', 'EPIPE') }),
        fc.record({ passMs: fc.integer({ min: 1, max: 3000 }) }),
      ),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(steps, (all) => {
        const { sink, clock, writer } = stage();
        let count = 0;
        for (const step of all) {
          if ('passMs' in step) clock.advance(step.passMs);
          else if ('lines' in step) {
            for (let more = 0; more < step.lines; more++) writer.write(`${++count}${LONG}`);
          } else Object.assign(sink, step);
        }
        Object.assign(sink, { room: Number.POSITIVE_INFINITY, failure: '' });
        clock.advance(1000);
        // a line that was cut short is there too, and is one of those that are told of
        let next = 1;
        let told = 0;
        for (const line of sink.text.split('\n').slice(0, -1)) {
          const [, lost] = /^lost (\d+) lines$/.exec(line) ?? [];
          if (lost !== undefined) {
            told += Number(lost);
            next += Number(lost);
          } else if (`${line}\n` === `${next}${LONG}`) next++;
          else assert.ok(isPart(line), `not a part of a line: ${line}`);
        }
        assert.equal(next, count + 1);
        assert.equal(told, writer.dropped);
      }),
    );
  });
});
