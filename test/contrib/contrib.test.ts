/** The files for Prometheus and Grafana name metrics and labels that exist, and promtool takes them. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { familiesOf } from '../../lib/metrics/families.ts';
import type { Family } from '../../lib/metrics/family.ts';
import { FleetCounts } from '../../lib/metrics/fleet-counts.ts';
import { MetricsReader } from '../../lib/metrics/reader.ts';
import { skipUnless } from '../helpers/skip.ts';

const CONTRIB = join(import.meta.dirname, '../../contrib');
const ALERTS = readFileSync(join(CONTRIB, 'alerts.yml'), 'utf8');
const skip = skipUnless(spawnSync('promtool', ['--version']).status === 0, 'no promtool');

interface Dashboard {
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly targets: readonly { readonly expr: string }[];
  }[];
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
  readonly templating: { readonly list: readonly { readonly query: string | { readonly query: string } }[] };
}
const DASHBOARD = JSON.parse(readFileSync(join(CONTRIB, 'grafana.json'), 'utf8')) as Dashboard;
const EXPRESSIONS = [
  ...DASHBOARD.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ...DASHBOARD.annotations.list.map(({ expr }) => expr),
];
const QUERIES = DASHBOARD.templating.list.map(({ query }) =>
  typeof query === 'string' ? query : query.query,
);

/** Every metric of a balancer with one replica. */
function families(): readonly Family[] {
  const reader = new MetricsReader({ ordinals: 1, workers: 1 }, () => 0);
  reader.follow([{ ordinal: 0, name: 'S1' }]);
  return familiesOf({
    replicas: [{ name: 'S1', state: 'healthy', inFlight: 0, slots: 1, share: 1 }],
    counts: reader.read(['S1']),
    fleet: new FleetCounts(),
    eligible: 1,
    waiting: 0,
    logDropped: 0,
    detail: 'full',
    hasRemoved: false,
    tableVersion: 0,
    fastPath: true,
    imbalance: 0,
  });
}

/** Names of samples with the labels that each may have; those of the scrape are added. */
function samples(): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>();
  for (const { name, values } of families())
    for (const { labels, sharedLabels, metricName } of [{ labels: {}, sharedLabels: {} }, ...values].map(
      (value) => ({ metricName: undefined, ...value }),
    )) {
      const known = found.get(metricName ?? name) ?? new Set(['instance', 'job']);
      for (const label of Object.keys({ ...labels, ...sharedLabels })) known.add(label);
      found.set(metricName ?? name, known);
    }
  return found;
}

/** What is wrong with the metrics that a text names. */
function unknownIn(text: string): readonly string[] {
  const known = samples();
  return [...text.matchAll(/\b(ringlb_[a-z_]+)(?:\{([^}]*)\})?/g)].flatMap(([, name = '', matchers = '']) => {
    const labels = known.get(name);
    if (labels === undefined) return [`${name} is no metric`];
    const used = [...matchers.matchAll(/(\w+)(?:=|!=|=~|!~)"/g)].map(([, label = '']) => label);
    return used.filter((label) => !labels.has(label)).map((label) => `${name} has no label ${label}`);
  });
}

describe('the alerts', () => {
  it('name metrics and labels that exist', () => {
    assert.ok(ALERTS.includes('ringlb_eligible_replicas'));
    assert.deepEqual(unknownIn(ALERTS), []);
    assert.deepEqual(unknownIn('ringlb_gone and ringlb_panic{colour="red"}'), [
      'ringlb_gone is no metric',
      'ringlb_panic has no label colour',
    ]);
  });

  it('fire when they should, and only then', { skip }, (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'ringlb-alerts-'));
    t.after(() => rmSync(directory, { recursive: true }));
    copyFileSync(join(CONTRIB, 'alerts.yml'), join(directory, 'alerts.yml'));
    copyFileSync(join(import.meta.dirname, 'alerts.test.yml'), join(directory, 'alerts.test.yml'));
    execFileSync('promtool', ['check', 'rules', 'alerts.yml'], { cwd: directory, stdio: 'pipe' });
    execFileSync('promtool', ['test', 'rules', 'alerts.test.yml'], { cwd: directory, stdio: 'pipe' });
  });
});

describe('the dashboard for Grafana', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'ringlb-grafana-'));
  });
  after(() => rmSync(directory, { recursive: true }));

  it('names metrics and labels that exist', () => {
    assert.deepEqual(unknownIn([...EXPRESSIONS, ...QUERIES].join('\n')), []);
  });

  it('has panels with an id and a title of their own', () => {
    const { panels } = DASHBOARD;
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    assert.equal(new Set(panels.map(({ title }) => title)).size, panels.length);
  });

  it('asks in words that Prometheus understands', { skip }, () => {
    const rules = EXPRESSIONS.map((expr, index) => ({
      record: `panel:${index}`,
      expr: expr.replaceAll('$__rate_interval', '1m').replaceAll(/\$\w+/g, '.*'),
    }));
    // JSON is YAML as well
    writeFileSync(join(directory, 'rules.yml'), JSON.stringify({ groups: [{ name: 'panels', rules }] }));
    execFileSync('promtool', ['check', 'rules', join(directory, 'rules.yml')], { stdio: 'pipe' });
  });
});
