import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { createFileSource } from '../../../lib/drivers/discover/file-source.ts';
import type { Source } from '../../../lib/drivers/discover/source.ts';
import { systemClock } from '../../../lib/platform/clock.ts';
import { eventually } from '../../helpers/eventually.ts';
import { testSource } from './source-suite.ts';

const sourceOf = (path: string): Source =>
  createFileSource({ kind: 'file', text: `file:${path}`, path }, systemClock);

for (const format of ['lines', 'JSON'] as const)
  testSource({
    title: `a file of ${format}`,
    open: async () => {
      const directory = await mkdtemp(join(tmpdir(), 'ringlb-file-'));
      const path = join(directory, 'servers');
      let text = format === 'JSON' ? '[]' : '# none\n';
      await writeFile(path, text);
      return {
        source: sourceOf(path),
        list: async (numbers) => {
          const servers = numbers.map((number) => ({
            name: `web${number}`,
            endpoint: { host: `10.0.0.${number}`, port: 80 },
          }));
          const entries = servers.map(({ name, endpoint }) => ({ url: `http://${endpoint.host}:80`, name }));
          text =
            format === 'JSON'
              ? JSON.stringify(entries)
              : entries.map(({ url, name }) => `${url} ${name}\n`).join('') || '# none\n';
          await writeFile(path, text);
          return servers;
        },
        lose: () => writeFile(path, text.slice(0, -1)),
        restore: () => writeFile(path, text),
        close: () => rm(directory, { recursive: true }),
      };
    },
  });

describe('a file of servers', () => {
  let directory: string;
  let path: string;
  let source: Source;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ringlb-file-'));
    path = join(directory, 'servers');
    source = sourceOf(path);
  });
  afterEach(async () => {
    source.close();
    await rm(directory, { recursive: true });
  });
  const names = async () => (await source.look()).servers.map(({ name }) => name);

  it('calls a server without a name by its endpoint', async () => {
    await writeFile(path, 'http://10.0.0.1:80\nhttp://[::1]:81 # the local one\n');
    assert.deepEqual(await names(), ['10.0.0.1:80', '[::1]:81']);
    await writeFile(path, '["http://10.0.0.1:80"]');
    assert.deepEqual(await names(), ['10.0.0.1:80']);
  });

  for (const [what, text] of [
    ['a byte order mark before lines', '\ufeffhttp://10.0.0.1:80 web\n'],
    ['a byte order mark before JSON', '\ufeff[{"url": "http://10.0.0.1:80", "name": "web"}]'],
    ['ends of lines as on Windows', '# servers\r\nhttp://10.0.0.1:80 web\r\n\r\n'],
    ['blanks around what it lists', '\t http://10.0.0.1:80/   web \t\n  \n'],
  ] as const)
    it(`may have ${what}`, async () => {
      await writeFile(path, text);
      assert.deepEqual(await names(), ['web']);
    });

  it('may list as many servers as fit into it', async () => {
    const lines = Array.from({ length: 40_000 }, (_, index) => `http://10.0.0.1:${index + 1}\n`);
    await writeFile(path, lines.join(''));
    assert.equal((await names()).length, 40_000);
  });

  for (const [text, problem] of [
    ['', /the file is empty; an empty list is written \[\]/],
    ['http://a:1', /the last line has no end/],
    ['[{"url": "http://a:1"', /JSON/],
    ['http://a:65536\n', /line 1 must be http:\/\/host:port or https:\/\/host:port, not "http:\/\/a:65536"/],
    ['http://a:0\n', /line 1 must be http:\/\/host:port/],
    ['http://::1:80\n', /line 1 must be http:\/\/host:port/],
    ['http://a:1\nhttp://b:', /the last line has no end/],
    ['\0\0\0\n', /line 1 must be http:\/\/host:port/],
    ['ftp://a:1\n', /line 1 must be http:\/\/host:port or https:\/\/host:port, not "ftp:\/\/a:1"/],
    ['http://a:1 b c\n', /line 1 has more than http:\/\/host:port and a name/],
    ['http://a:1 -b\n', /the name of line 1 must be up to 63 letters/],
    ['http://a:1 x\nhttp://b:1 x\n', /x is listed twice/],
    ['{"servers": []}', /the JSON must be a list/],
    ['[{"name": "a"}]', /server 1 needs a "url"/],
    ['[{"url": "http://a:1", "weigth": 1}]', /server 1 has an unknown field "weigth"/],
    ['[{"url": "http://a:1", "name": 1}]', /the "name" of server 1 must be a text/],
    ['[null]', /server 1 needs a "url"/],
  ] as const)
    it(`is refused where it is ${JSON.stringify(text)}`, async () => {
      await writeFile(path, text);
      await assert.rejects(source.look(), problem);
    });

  it('is refused where it is a directory, or not there', async () => {
    await assert.rejects(source.look(), /ENOENT/);
    await mkdir(path);
    await assert.rejects(source.look(), /is not a file/);
  });

  it('is seen when it is moved into place', async () => {
    await writeFile(path, 'http://a:1\n');
    let calls = 0;
    source.watch?.(() => calls++);
    await names();
    await eventually('a call for a look', async () => {
      await writeFile(`${path}.new`, 'http://b:1\n');
      await rename(`${path}.new`, path);
      return calls > 0;
    });
    assert.deepEqual(await names(), ['b:1']);
  });

  it('is seen when a link beside it changes, as in Kubernetes', async () => {
    await mkdir(join(directory, '..1'));
    await writeFile(join(directory, '..1', 'servers'), 'http://a:1\n');
    await symlink('..1', join(directory, '..data'));
    await symlink('..data/servers', path);
    let calls = 0;
    source.watch?.(() => calls++);
    assert.deepEqual(await names(), ['a:1']);
    await mkdir(join(directory, '..2'));
    await writeFile(join(directory, '..2', 'servers'), 'http://b:1\n');
    await symlink('..2', join(directory, '..new'));
    await rename(join(directory, '..new'), join(directory, '..data'));
    await eventually('a call for a look', () => calls > 0);
    assert.deepEqual(await names(), ['b:1']);
  });

  it('is followed in another directory of the same name', async () => {
    const inner = join(directory, 'etc');
    source.close();
    source = sourceOf(join(inner, 'servers'));
    let calls = 0;
    source.watch?.(() => calls++);
    await mkdir(inner);
    await writeFile(join(inner, 'servers'), 'http://a:1\n');
    await names();
    await rename(inner, `${inner}.old`);
    await mkdir(inner);
    await writeFile(join(inner, 'servers'), 'http://b:1\n');
    assert.deepEqual(await names(), ['b:1']);
    const before = calls;
    await writeFile(join(inner, 'servers'), 'http://c:1\n');
    await eventually('a call for a look', () => calls > before);
  });
});
