import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as rules from './layer-rules.ts';

const { foldersWithTooMany, ...sourceRules } = rules;

const lib = new URL('../lib/', import.meta.url);

function readLib(kind: RegExp): rules.Sources {
  const paths = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((path) => kind.test(path));
  return new Map(paths.map((path) => [path, readFileSync(new URL(path, lib), 'utf8')]));
}

describe('lib', () => {
  const sources = readLib(/\.ts$/);

  it('has files to judge', () => {
    assert.ok(sources.has('core/hashing/hash.ts') && sources.has('platform/errors.ts'));
  });

  for (const [title, rule] of [
    ['imports only downwards', rules.arrowsPointDown],
    ['has a core that imports only core', rules.coreImportsOnlyCore],
    ['has a core without clock, chance or surroundings', rules.coreIsPure],
    ['imports concrete drivers in compose only', rules.onlyComposeKnowsConcreteDrivers],
    ['imports drivers/driver.ts as a type only', rules.driverIsATypeOnly],
    ['imports types alone of node:http', rules.httpIsNotImported],
    ['imports dockerode and pino in one file each', rules.packagesAreWrapped],
    ['imports nothing outside lib', rules.nothingOutsideLib],
    ['uses private names of Node.js in one file', rules.privateNamesAreInOneFile],
    ['has no cycle of imports', rules.noCycles],
    ['has no class with over 20 public members', rules.classesAreSmall],
  ] as const) {
    it(title, () => {
      assert.deepEqual(rule(sources), []);
    });
  }
});

it('no file of lib has over 350 lines, whatever its language', () => {
  const texts = readLib(/\.(?:ts|js|css|html|svg|md)$/);
  assert.ok(texts.has('admin/dashboard/index.html') && texts.has('admin/dashboard/main.js'));
  assert.deepEqual(rules.filesAreShort(texts), []);
});

it('no folder of lib has over 14 files', () => {
  const entries = readdirSync(lib, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const paths = files.map((entry) => relative(fileURLToPath(lib), join(entry.parentPath, entry.name)));
  assert.deepEqual(foldersWithTooMany(paths), []);
});

describe('the rules of the layers', () => {
  const cases: readonly (readonly [rule: rules.Rule, path: string, source: string, broken: string])[] = [
    [
      rules.arrowsPointDown,
      'fleet/a.ts',
      "import { b } from '../proxy/b.ts';",
      'fleet/a.ts imports ../proxy/b.ts: fleet may not import proxy',
    ],
    [
      rules.arrowsPointDown,
      'proxy/a.ts',
      "import type { B } from '../admin/b.ts';",
      'proxy/a.ts imports ../admin/b.ts: proxy may not import admin',
    ],
    [
      rules.arrowsPointDown,
      'platform/errors.ts',
      "import '../fleet/b.ts';",
      'platform/errors.ts imports ../fleet/b.ts: platform may not import fleet',
    ],
    [
      rules.arrowsPointDown,
      'core/a.ts',
      "import { b } from '../platform/errors.ts';",
      'core/a.ts imports ../platform/errors.ts: core may not import platform',
    ],
    [
      rules.arrowsPointDown,
      'compose/app.ts',
      "import { main } from '../main.ts';",
      'compose/app.ts imports ../main.ts: compose may not import main',
    ],
    [
      rules.arrowsPointDown,
      'metrics/a.ts',
      "export * from '../fleet/b.ts';",
      'metrics/a.ts imports ../fleet/b.ts: metrics may not import fleet',
    ],
    [
      rules.arrowsPointDown,
      'drivers/a.ts',
      "import {\n  b,\n  type C,\n} from '../fleet/b.ts';",
      'drivers/a.ts imports ../fleet/b.ts: drivers may not import fleet',
    ],
    [
      rules.arrowsPointDown,
      'platform/log.ts',
      "const b = await import('../compose/app.ts');",
      'platform/log.ts imports ../compose/app.ts: platform may not import compose',
    ],
    [
      rules.coreImportsOnlyCore,
      'core/a.ts',
      "import { b } from '../platform/errors.ts';",
      'core/a.ts imports ../platform/errors.ts: core may import only core',
    ],
    [
      rules.coreImportsOnlyCore,
      'core/a.ts',
      "import { hash } from 'node:crypto';",
      'core/a.ts imports node:crypto: core may import only core',
    ],
    [
      rules.coreImportsOnlyCore,
      'core/a.ts',
      "import fc from 'fast-check';",
      'core/a.ts imports fast-check: core may import only core',
    ],
    [
      rules.onlyComposeKnowsConcreteDrivers,
      'fleet/a.ts',
      "import type { D } from '../drivers/docker/docker.ts';",
      'fleet/a.ts imports ../drivers/docker/docker.ts: only compose may import a concrete driver',
    ],
    [
      rules.onlyComposeKnowsConcreteDrivers,
      'main.ts',
      "import { d } from './drivers/static.ts';",
      'main.ts imports ./drivers/static.ts: only compose may import a concrete driver',
    ],
    [
      rules.httpIsNotImported,
      'admin/a.ts',
      "import type { Server } from 'node:http';\nimport { type ServerResponse, STATUS_CODES } from 'node:http';",
      'admin/a.ts imports node:http: take it from platform/node/http.ts',
    ],
    [
      rules.driverIsATypeOnly,
      'fleet/a.ts',
      "import { type Driver } from '../drivers/driver.ts';",
      'fleet/a.ts imports ../drivers/driver.ts: write import type',
    ],
    [
      rules.packagesAreWrapped,
      'drivers/docker/docker.ts',
      "import Docker from 'dockerode';",
      'drivers/docker/docker.ts imports dockerode: only drivers/docker/api.ts may',
    ],
    [
      rules.packagesAreWrapped,
      'compose/app.ts',
      "const pretty = require('pino-pretty');",
      'compose/app.ts imports pino-pretty: only platform/log.ts may',
    ],
    [
      rules.nothingOutsideLib,
      'fleet/a.ts',
      "import { b } from '../../test/helpers/b.ts';",
      'fleet/a.ts imports ../../test/helpers/b.ts: it is outside lib',
    ],
    [
      rules.nothingOutsideLib,
      'main.ts',
      "import { b } from '../bench/b.ts';",
      'main.ts imports ../bench/b.ts: it is outside lib',
    ],
    [
      rules.privateNamesAreInOneFile,
      'proxy/io/a.ts',
      '\nconst fd = socket._handle?.fd;',
      'proxy/io/a.ts:2 uses ._handle: only proxy/io/node-internals.ts uses private names of Node.js',
    ],
    [
      rules.privateNamesAreInOneFile,
      'proxy/a.ts',
      'const { fd, _header: head } = response;',
      'proxy/a.ts:1 uses { fd, _header: head } =: only proxy/io/node-internals.ts uses private names of Node.js',
    ],
    [
      rules.privateNamesAreInOneFile,
      'fleet/a.ts',
      'Object.getOwnPropertySymbols(socket)',
      'fleet/a.ts:1 uses getOwnPropertySymbols: only proxy/io/node-internals.ts uses private names of Node.js',
    ],
    [
      rules.coreIsPure,
      'core/a.ts',
      '\nconst now = Date.now();',
      'core/a.ts:2 uses Date: core has no clock, chance or surroundings',
    ],
    [
      rules.coreIsPure,
      'core/a.ts',
      'const x = Math.random();',
      'core/a.ts:1 uses Math.random: core has no clock, chance or surroundings',
    ],
    [
      rules.coreIsPure,
      'core/a.ts',
      '/* a\n*/ process.env',
      'core/a.ts:2 uses process.: core has no clock, chance or surroundings',
    ],
    [
      rules.coreIsPure,
      'core/a.ts',
      'performance.now()',
      'core/a.ts:1 uses performance.: core has no clock, chance or surroundings',
    ],
    [
      rules.coreIsPure,
      'core/a.ts',
      'setTimeout(run, 1)',
      'core/a.ts:1 uses setTimeout(: core has no clock, chance or surroundings',
    ],
  ];
  for (const [rule, path, source, broken] of cases) {
    it(`say "${broken}"`, () => {
      assert.deepEqual(rule(new Map([[path, source]])), [broken]);
    });
  }

  it('name a folder and a file that hold too much', () => {
    const paths = Array.from({ length: 15 }, (_, index) => `core/f${index}.ts`);
    assert.deepEqual(foldersWithTooMany(paths), ['core has 15 files, and may have 14']);
    assert.deepEqual(foldersWithTooMany(paths.slice(1)), []);
    const long = new Map([['core/a.ts', '\n'.repeat(351)]]);
    assert.deepEqual(rules.filesAreShort(long), ['core/a.ts has 351 lines, and may have 350']);
    const members = Array.from({ length: 21 }, (_, index) => `  m${index}(): void {}\n`).join('');
    const large = new Map([['core/a.ts', `export class A {\n${members}  #private = 0;\n}\n`]]);
    const headInLines = new Map([
      ['core/a.ts', `export class A\n  extends B\n  implements C\n{\n${members}}\n`],
    ]);
    for (const sources of [large, headInLines])
      assert.deepEqual(rules.classesAreSmall(sources), [
        'core/a.ts: A has 21 public members, and may have 20',
      ]);
  });

  it('find a cycle of three files once, types included', () => {
    const sources = new Map([
      ['fleet/c.ts', "import type { A } from './a.ts';"],
      ['fleet/a.ts', "import { b } from './b.ts';"],
      ['fleet/b.ts', "import { c } from './c.ts';\nimport { d } from './d.ts';"],
      ['fleet/d.ts', ''],
    ]);
    assert.deepEqual(rules.noCycles(sources), ['fleet/a.ts → fleet/b.ts → fleet/c.ts → fleet/a.ts']);
  });

  for (const [path, source] of [
    [
      'compose/app.ts',
      "import { a } from '../admin/a.ts';\nimport { d } from '../drivers/docker/docker.ts';\nimport { c } from '../core/c.ts';",
    ],
    [
      'fleet/a.ts',
      "import type { Driver } from '../drivers/driver.ts';\nimport { e } from '../platform/errors.ts';\nimport fs from 'node:fs';",
    ],
    ['drivers/docker/api.ts', "import Docker from 'dockerode';\nimport type { Driver } from '../driver.ts';"],
    ['drivers/docker/docker.ts', "import { api } from './api.ts';"],
    [
      'config/options.ts',
      "import type { DriverKind } from '../drivers/driver.ts';\nimport { a } from '../core/a.ts';",
    ],
    ['platform/log.ts', "import pino from 'pino';"],
    ['proxy/io/node-internals.ts', 'const { _handle } = socket;'],
    ['proxy/a.ts', "// socket._handle\nsuper._write(chunk, encoding, written); const name = '._handle';"],
    ['main.ts', "import { a } from './compose/program.ts';"],
    [
      'core/a.ts',
      "// process.exit(), Date.now()\nimport { b } from './b.ts';\nconst kind = 'process.x'; driver.process.kill(); const updateDate = 1;",
    ],
    [
      'proxy/a.ts',
      " * import { b } from '../fleet/b.ts';\nconst text = \"import { b } from '../fleet/b.ts'\";",
    ],
  ] as const) {
    it(`have nothing to say about a right ${path}`, () => {
      const sources = new Map([[path, source]]);
      const all = Object.values(sourceRules).flatMap((rule) => rule(sources));
      assert.deepEqual(all, []);
    });
  }
});
