import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import * as rules from './helpers/layer-rules.ts';

const lib = new URL('../lib/', import.meta.url);

function readLib(): rules.Sources {
  const paths = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.ts'),
  );
  return new Map(paths.map((path) => [path, readFileSync(new URL(path, lib), 'utf8')]));
}

describe('lib', () => {
  const sources = readLib();

  it('has files to judge', () => {
    assert.ok(sources.has('core/hash.ts') && sources.has('errors.ts'));
  });

  for (const [title, rule] of [
    [
      'imports only downwards: main, app, admin or proxy or fleet, drivers, metrics, base, core',
      rules.arrowsPointDown,
    ],
    ['has a core that imports only core', rules.coreImportsOnlyCore],
    ['has a core without clock, chance or surroundings', rules.coreIsPure],
    ['imports concrete drivers in app.ts only', rules.onlyAppKnowsConcreteDrivers],
    ['imports drivers/driver.ts as a type only', rules.driverIsATypeOnly],
    ['imports dockerode and pino in one file each', rules.packagesAreWrapped],
    ['imports nothing outside lib', rules.nothingOutsideLib],
    ['has no cycle of imports', rules.noCycles],
  ] as const) {
    it(title, () => {
      assert.deepEqual(rule(sources), []);
    });
  }
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
      'errors.ts',
      "import './fleet/b.ts';",
      'errors.ts imports ./fleet/b.ts: base may not import fleet',
    ],
    [
      rules.arrowsPointDown,
      'core/a.ts',
      "import { b } from '../errors.ts';",
      'core/a.ts imports ../errors.ts: core may not import base',
    ],
    [
      rules.arrowsPointDown,
      'app.ts',
      "import { main } from './main.ts';",
      'app.ts imports ./main.ts: app may not import main',
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
      'log.ts',
      "const b = await import('./app.ts');",
      'log.ts imports ./app.ts: base may not import app',
    ],
    [
      rules.coreImportsOnlyCore,
      'core/a.ts',
      "import { b } from '../errors.ts';",
      'core/a.ts imports ../errors.ts: core may import only core',
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
      rules.onlyAppKnowsConcreteDrivers,
      'fleet/a.ts',
      "import type { D } from '../drivers/docker.ts';",
      'fleet/a.ts imports ../drivers/docker.ts: only app.ts may import a concrete driver',
    ],
    [
      rules.onlyAppKnowsConcreteDrivers,
      'main.ts',
      "import { d } from './drivers/static.ts';",
      'main.ts imports ./drivers/static.ts: only app.ts may import a concrete driver',
    ],
    [
      rules.driverIsATypeOnly,
      'fleet/a.ts',
      "import { type Driver } from '../drivers/driver.ts';",
      'fleet/a.ts imports ../drivers/driver.ts: write import type',
    ],
    [
      rules.packagesAreWrapped,
      'drivers/docker.ts',
      "import Docker from 'dockerode';",
      'drivers/docker.ts imports dockerode: only drivers/docker-api.ts may',
    ],
    [
      rules.packagesAreWrapped,
      'app.ts',
      "const pretty = require('pino-pretty');",
      'app.ts imports pino-pretty: only log.ts may',
    ],
    [
      rules.nothingOutsideLib,
      'fleet/a.ts',
      "import { b } from '../../test/helpers/b.ts';",
      'fleet/a.ts imports ../../test/helpers/b.ts: it is outside lib',
    ],
    [
      rules.nothingOutsideLib,
      'app.ts',
      "import { b } from '../bench/b.ts';",
      'app.ts imports ../bench/b.ts: it is outside lib',
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
      'app.ts',
      "import { a } from './admin/a.ts';\nimport { d } from './drivers/docker.ts';\nimport { c } from './core/c.ts';",
    ],
    [
      'fleet/a.ts',
      "import type { Driver } from '../drivers/driver.ts';\nimport { e } from '../errors.ts';\nimport fs from 'node:fs';",
    ],
    ['drivers/docker-api.ts', "import Docker from 'dockerode';\nimport type { Driver } from './driver.ts';"],
    ['drivers/docker.ts', "import { api } from './docker-api.ts';"],
    [
      'options.ts',
      "import type { DriverKind } from './drivers/driver.ts';\nimport { a } from './core/a.ts';",
    ],
    ['log.ts', "import pino from 'pino';"],
    ['main.ts', "import { a } from './app.ts';\nimport { c } from './config.ts';"],
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
      const all = Object.values(rules).flatMap((rule) => rule(sources));
      assert.deepEqual(all, []);
    });
  }
});
