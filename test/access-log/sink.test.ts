import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { AccessSink } from '../../lib/access-log/sink.ts';
import { systemClock } from '../../lib/platform/clock.ts';
import { isBalancerError } from '../../lib/platform/errors.ts';
import type { LogFields } from '../../lib/platform/log.ts';
import { makeRoom, skipWithoutMount, smallDisk } from '../helpers/access-log/small-disk.ts';
import { eventually } from '../helpers/eventually.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { silentLogger } from '../helpers/silent-logger.ts';

type Test = { after(run: () => unknown): void };

function directory(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'ringlb-access-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function sinkTo(t: Test, file: string, clock = systemClock) {
  const errors: string[] = [];
  const warnings: unknown[] = [];
  const counts = { dropped: 0 };
  const log = {
    ...silentLogger,
    error: (_: unknown, message: string) => errors.push(message),
    warn: ({ lines }: LogFields, message: string) => warnings.push([lines, message]),
  };
  const onDropped = (lines: number) => {
    counts.dropped += lines;
  };
  const sink = new AccessSink({ file, log, clock, onDropped });
  t.after(() => sink.close());
  const take = (text: string, lines = 1) => new Promise<void>((resolve) => sink.take(text, lines, resolve));
  return { sink, take, counts, errors, warnings };
}

test('acknowledged lines are in the file', async (t) => {
  const file = join(directory(t), 'access.log');
  const { take } = sinkTo(t, file);
  await take('one\n');
  assert.equal(readFileSync(file, 'utf8'), 'one\n');
  await Promise.all([take('two\n'), take('three\n')]);
  assert.equal(readFileSync(file, 'utf8'), 'one\ntwo\nthree\n');
});

test('what was in the file stays in it', async (t) => {
  const file = join(directory(t), 'access.log');
  await sinkTo(t, file).take('one\n');
  await sinkTo(t, file).take('two\n');
  assert.equal(readFileSync(file, 'utf8'), 'one\ntwo\n');
});

test('after rotation and reopen, lines go to the new file', async (t) => {
  const dir = directory(t);
  const file = join(dir, 'access.log');
  const { sink, take } = sinkTo(t, file);
  await take('one\n');
  renameSync(file, join(dir, 'access.log.1'));
  await take('two\n');
  sink.reopen();
  await eventually('the new file', () => {
    try {
      return readFileSync(file, 'utf8') === '';
    } catch {
      return false;
    }
  });
  await take('three\n');
  assert.equal(readFileSync(join(dir, 'access.log.1'), 'utf8'), 'one\ntwo\n');
  assert.equal(readFileSync(file, 'utf8'), 'three\n');
});

test('closing waits for what is left', async (t) => {
  const file = join(directory(t), 'access.log');
  const { sink, take, counts } = sinkTo(t, file);
  void take('x\n'.repeat(100_000), 100_000);
  await sink.close();
  assert.equal(readFileSync(file, 'utf8').length, 200_000);
  assert.equal(counts.dropped, 0);
});

test('a file that cannot be opened fails the start with advice', (t) => {
  const file = join(directory(t), 'missing', 'access.log');
  assert.throws(
    () => sinkTo(t, file),
    (error: unknown) =>
      isBalancerError(error, 'log-unwritable') && /ENOENT.*--access-log-file/.test(error.message),
  );
});

test('a failed write drops its own lines alone, logged once', async (t) => {
  const { take, counts, errors } = sinkTo(t, '/dev/full');
  await take('one\n', 1);
  await take('two\nthree\n', 2);
  assert.equal(counts.dropped, 3);
  assert.deepEqual(errors, ['access log write failed; dropping lines']);
});

/** A named pipe with an end that is open for reading and not read. */
function pipe(t: Test) {
  const file = join(directory(t), 'pipe');
  execFileSync('mkfifo', [file]);
  const open = (): number => openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  let end = open();
  t.after(() => closeSync(end));
  const buffer = Buffer.alloc(1 << 20);
  return {
    file,
    /** What there is to read now. */
    read(): string {
      try {
        return buffer.toString('latin1', 0, readSync(end, buffer));
      } catch {
        return '';
      }
    },
    /** The reader goes; what is in the pipe is lost with it. Another comes a moment later. */
    async reopen(until: () => Promise<void>): Promise<void> {
      closeSync(end);
      await until();
      end = open();
    },
  };
}

test('lines without a reader stay unacknowledged', async (t) => {
  const { file, read } = pipe(t);
  const { sink } = sinkTo(t, file);
  let done = 0;
  const text = 'x\n'.repeat(100_000);
  for (let count = 0; count < 3; count++) sink.take(text, 100_000, () => done++);
  let bytes = 0;
  await eventually('the first of it', () => {
    bytes += read().length;
    return bytes > 0;
  });
  assert.ok(done < 3);
  await eventually('all of it', () => {
    bytes += read().length;
    return bytes === 3 * text.length && done === 3;
  });
});

test('close drops and counts lines that no reader takes', async (t) => {
  const { file, read } = pipe(t);
  const clock = new FakeClock();
  const { sink, counts } = sinkTo(t, file, clock);
  sink.take('x\n'.repeat(200_000), 200_000, () => {});
  const closed = sink.close();
  clock.advance(2000);
  await closed;
  assert.equal(counts.dropped, 200_000);
  // the write that was under way ends with its reader
  read();
});

test('a named pipe without a reader is an error at once', (t) => {
  const file = join(directory(t), 'pipe');
  execFileSync('mkfifo', [file]);
  assert.throws(() => sinkTo(t, file), /ENXIO/);
});

test('lines after an unfinished one of an earlier process start afresh', async (t) => {
  const file = join(directory(t), 'access.log');
  writeFileSync(file, 'one\ntw');
  const { take, counts } = sinkTo(t, file);
  await take('three\n');
  await take('four\n');
  assert.equal(readFileSync(file, 'utf8'), 'one\ntw\nthree\nfour\n');
  assert.equal(counts.dropped, 0);
});

test('a full disk drops partial lines, and later ones start afresh', {
  skip: skipWithoutMount,
}, async (t) => {
  const disk = smallDisk(t);
  const file = join(disk, 'access.log');
  const { take, counts, errors, warnings } = sinkTo(t, file);
  const line = `${'x'.repeat(999)}\n`;
  await take(line.repeat(100), 100);
  const kept = readFileSync(file, 'utf8');
  assert.ok(kept.length > 0 && !kept.endsWith('\n'), 'the last line was cut short');
  const whole = kept.split('\n').length - 1;
  assert.equal(counts.dropped, 100 - whole);
  await take('one\n');
  assert.equal(counts.dropped, 101 - whole);
  makeRoom(disk);
  await take('two\n');
  await take('three\n');
  assert.equal(readFileSync(file, 'utf8'), `${kept}\ntwo\nthree\n`);
  assert.equal(errors.length, 1);
  assert.deepEqual(warnings, [[101 - whole, 'access log recovered; lines were dropped']]);
});

test('after a reader left mid-line the next line starts afresh', async (t) => {
  const { file, read, reopen } = pipe(t);
  const { take, sink } = sinkTo(t, file);
  const cut = new Promise<void>((resolve) => sink.take('x'.repeat(100_000), 1, resolve));
  await eventually('a part of it', () => read().length > 0);
  await reopen(() => cut);
  await take('two\n');
  let text = '';
  await eventually('the next line', () => {
    text += read();
    return text.endsWith('\ntwo\n');
  });
});

test('a closed sink is not reopened', async (t) => {
  const file = join(directory(t), 'access.log');
  const { sink } = sinkTo(t, file);
  assert.equal(sink.reopen(), true);
  await sink.close();
  assert.equal(sink.reopen(), false);
});
