/** Commands in a narrow terminal: nothing is longer than a line, and no word is broken. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { keptOutput, runCommand } from '../helpers/cli/cli.ts';

const COLUMNS = 40;
const NAMES = Array.from({ length: 24 }, (_, at) => `S${at + 1}`);
const RESPONSES: Readonly<Record<string, object>> = {
  '/rm?dry-run': {
    ...{ N: 1, added: [], removed: NAMES.slice(1), moved: 0.9, moves: [] },
    inFlight: 0,
    tunnels: 0,
  },
  '/drain': { N: 24, replicas: NAMES, draining: NAMES.slice(1) },
  '/weight': { weights: Object.fromEntries(NAMES.map((name) => [name, 1])) },
  '/reload': {
    changed: ['probe-interval', 'probe-timeout', 'hash-key'],
    needsRestart: ['admin-hosts', 'port', 'image'],
  },
  '/deploy': { id: 'mx04b90d-7' },
};

describe('in a narrow terminal', () => {
  let folder: string;
  let file: string;
  const server = createServer((request, response) => {
    response.end(JSON.stringify({ status: 'successful', message: RESPONSES[request.url!] }));
  });
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ringlb-narrow-'));
    file = join(folder, 'ringlb.yaml');
    writeFileSync(file, 'hash-key: header:x-user-of-the-application,cookie:session-identifier,client-ip\n');
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  after(() => {
    server.close();
    server.closeAllConnections();
    rmSync(folder, { recursive: true });
  });

  for (const args of [
    'rm 23 --dry-run',
    'drain S2 S3',
    'weight S1=1',
    'reload',
    'deploy --restart -d',
    'check FILE',
  ])
    it(`${args} fits`, async () => {
      const written = keptOutput(false, COLUMNS);
      const { port } = server.address() as AddressInfo;
      const words = args.replace('FILE', file).split(' ');
      const { lines, notes, exitStatus } = await runCommand(port, words, { written });
      assert.deepEqual([notes, exitStatus], [[], 0]);
      assert.ok(lines.length > 0);
      // a path alone may be longer
      const long = lines.filter((line) => line.length > COLUMNS && line !== file);
      assert.deepEqual(long, []);
    });
});
