/** The commands of the documentation that need a Docker engine, under names and on ports of their own. */
import { spawnSync } from 'node:child_process';
import { type PageShell, skipCommands } from '../docs/page-shell.ts';
import { pages } from '../docs/pages.ts';
import { runPage } from '../docs/run-page.ts';
import { ask } from '../helpers/balancer.ts';
import { docker, freshPool, removeClaims, removeNetwork, skipDocker } from '../helpers/docker/docker.ts';
import { skipUnless } from '../helpers/skip.ts';

const compose = spawnSync('sh', ['-c', 'docker compose version || docker-compose --version']);
const skipCompose = skipUnless(compose.status === 0, 'no compose');

/** Pool, container and network in place of `ringlb`. */
const pool = freshPool();
const prefix = `${pool}-`;

/** The same commands, for this pool. */
function rewrite(commands: string): string {
  return commands
    .replace(
      /^( *)ringlb --replicas/gm,
      `$1ringlb --pool ${pool} --network ${pool} --container-prefix ${prefix} --replicas`,
    )
    .replace(/(--name|docker exec|docker stop) ringlb/g, `$1 ${pool}`)
    .replaceAll('ringlb-site', `${pool}-site`)
    .replace(/-p (\d+):\1/g, '-p $1:5000');
}

/** The admin port is not always published. */
async function isReady(shell: PageShell): Promise<boolean> {
  const { status } = await ask(shell.portOf('5000'), 'GET', '/home').catch(() => ({ status: 0 }));
  // an application of a page's own need not have that path
  return status > 0 && status < 500;
}

async function cleanUp(): Promise<void> {
  const left = await docker('ps', '--all', '--quiet', '--filter', `name=^${pool}`);
  if (left !== '') await docker('rm', '--force', '--volumes', ...left.split('\n'));
  const images = await docker('image', 'ls', '--format', '{{.Repository}}:{{.Tag}}', `${pool}-site`);
  if (images !== '') await docker('image', 'rm', ...images.split('\n'));
  const networks = await docker('network', 'ls', '--quiet', '--filter', `name=^${pool}$`);
  for (const network of networks.split('\n').filter(Boolean)) await removeNetwork(network);
  await removeClaims(pool);
}

for (const page of pages()) {
  runPage({
    page,
    chosen: (block) => block.isDocker,
    shell: () => ({
      env: { LB_POOL: pool, LB_CONTAINER_PREFIX: prefix },
      rewrite,
      restore: (printed) => printed.replaceAll(pool, 'ringlb'),
    }),
    skip: skipDocker ?? skipCommands ?? skipCompose,
    isReady,
    cleanUp,
  });
}
