import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { OomKills } from '../../lib/drivers/oom-kills.ts';

const directory = mkdtempSync(join(tmpdir(), 'ringlb-test-'));
after(() => rmSync(directory, { recursive: true }));

let files = 0;
const freshFile = (text: string): string => {
  const file = join(directory, String(++files));
  writeFileSync(file, text);
  return file;
};
const events = (kills: number) => `low 0\nhigh 0\nmax 71\noom 9\noom_kill ${kills}\noom_group_kill 0\n`;

describe('the count of OOM kills', () => {
  it('reports each kill once', () => {
    const file = freshFile(events(3));
    const kills = new OomKills([file]);
    assert.equal(kills.take(), false);
    writeFileSync(file, events(5));
    assert.deepEqual([kills.take(), kills.take(), kills.take()], [true, true, false]);
  });

  it('reports no kill that was forgotten', () => {
    const file = freshFile(events(0));
    const kills = new OomKills([file]);
    writeFileSync(file, events(1));
    kills.forget();
    assert.equal(kills.take(), false);
  });

  it('reads the first file that has a counter', () => {
    const file = freshFile('oom_kill_disable 0\nunder_oom 0\noom_kill 0\n');
    const kills = new OomKills([join(directory, 'none'), freshFile('oom_kill_disable 0\n'), file]);
    writeFileSync(file, 'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n');
    assert.equal(kills.take(), true);
  });

  it('reports none without a counter, or after it vanished', () => {
    assert.equal(new OomKills([]).take(), false);
    const file = freshFile(events(1));
    const kills = new OomKills([file]);
    rmSync(file);
    assert.equal(kills.take(), false);
  });
});
