/** docs/kubernetes.md has manifests that Kubernetes takes, with settings that the balancer takes. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { loadSettings } from '../../lib/config/config.ts';
import { fencesOf } from './blocks.ts';
import { readPage } from './generated.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const MODULES: Readonly<Record<string, string>> = { v1: 'core/v1.d.ts', 'apps/v1': 'apps/v1.d.ts' };

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly spec?: object;
}

/** What the test reads of a Deployment. */
interface DeploymentSpec {
  readonly template: {
    readonly spec: {
      readonly containers: readonly [
        { readonly env: readonly { readonly name: string; readonly value?: string }[] },
      ];
    };
  };
}

const manifests = fencesOf(readPage('docs/kubernetes.md'))
  .filter(({ language }) => language === 'yaml')
  .map(({ text }) => parse(text) as Manifest);

/** What the compiler says against manifests, as the types that Kubernetes' schema was made into declare them. */
async function problemsOf(checked: readonly Manifest[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ringlb-kubernetes-'));
  try {
    await symlink(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'));
    const lines = checked.map(
      (manifest, index) =>
        `const m${index}: import('kubernetes-types/${MODULES[manifest.apiVersion]}').${manifest.kind} = ${JSON.stringify(manifest)};\nvoid m${index};`,
    );
    await writeFile(join(folder, 'manifests.ts'), `${lines.join('\n')}\nexport {};\n`);
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--ignoreConfig', '--types', ''];
    const compiler = join(REPOSITORY, 'node_modules/.bin/tsc');
    const { stdout, stderr } = spawnSync(
      compiler,
      [...options, '--module', 'nodenext', join(folder, 'manifests.ts')],
      { encoding: 'utf8' },
    );
    return stdout + stderr;
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('manifests in docs/kubernetes.md fit the schema of Kubernetes', async () => {
  assert.deepEqual(
    manifests.map(({ kind }) => kind),
    ['Service', 'Deployment', 'Service', 'Secret'],
  );
  assert.equal(await problemsOf(manifests), '');
});

test('a manifest with a field that Kubernetes does not know is refused', async () => {
  const misspelt = { apiVersion: 'v1', kind: 'Service', spec: { clusterIp: 'None' } };
  assert.match(await problemsOf([misspelt]), /clusterIp.* does not exist in type 'ServiceSpec'/);
});

test('the Deployment in docs/kubernetes.md has settings that the balancer takes', () => {
  const { spec } = manifests.find(({ kind }) => kind === 'Deployment')!;
  const [{ env }] = (spec as DeploymentSpec).template.spec.containers;
  const environment = Object.fromEntries(env.map(({ name, value = 'a-token-of-a-secret' }) => [name, value]));
  const { config } = loadSettings([], environment, []);
  assert.deepEqual(
    config.source.map(({ text }) => text),
    ['dns:web.shop.svc.cluster.local:5000'],
  );
});
