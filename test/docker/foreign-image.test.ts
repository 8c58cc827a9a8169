/** An HTTP server that knows nothing of ringlb, from Debian's archive, under the rights that a replica gets. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Instance } from '../../lib/drivers/driver.ts';
import { removeAll } from '../contract/driver-suite.ts';
import { buildImage, cleanUp, docker, freshName, makeDriver, skipDocker } from '../helpers/docker/docker.ts';
import { get } from '../helpers/drivers/replica-client.ts';
import { eventually } from '../helpers/eventually.ts';
import type { SpecDriver } from '../helpers/replica-spec.ts';

const IMAGE = 'ringlb-test-nginx';
const STOCK_IMAGE = 'ringlb-test-nginx-stock';
const INSTALL =
  'RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends nginx-light';

/** Writes nowhere but to /tmp, and listens above 1023: what any server needs to run without rights. */
const CONFIGURATION = [
  'pid /tmp/pid;',
  'events {}',
  'http {',
  '  access_log off;',
  '  client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/fastcgi;',
  '  uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;',
  '  server { listen 8080; location / { return 200 "nginx in $hostname"; } }',
  '}',
];

describe("Debian's nginx as a replica", { skip: skipDocker ?? false }, () => {
  let driver: SpecDriver;

  before(async () => {
    const write = `RUN printf '%s\\n' ${CONFIGURATION.map((line) => `'${line}'`).join(' ')} > /etc/nginx/nginx.conf`;
    const command = ['STOPSIGNAL SIGQUIT', 'CMD ["nginx", "-e", "stderr", "-g", "daemon off;"]'];
    await buildImage(STOCK_IMAGE, [INSTALL, ...command]);
    await buildImage(IMAGE, [INSTALL, write, ...command]);
  });
  after(() => docker('rmi', '--force', IMAGE, STOCK_IMAGE));
  afterEach(async () => {
    await removeAll(driver).finally(() => driver.close(false));
    await cleanUp();
  });

  async function start(image: string): Promise<Instance> {
    driver = makeDriver({ spec: { image, port: 8080 } });
    await driver.open();
    return driver.start({ name: freshName(), id: 1 });
  }

  it('serves, and ends in its grace', { timeout: 300_000 }, async () => {
    const instance = await start(IMAGE);
    const { body } = await eventually('an answer', () => get(instance.endpoint!, '/heartbeat'));
    assert.equal(body, `nginx in ${instance.name.toLowerCase()}`);
    await driver.remove(instance.instanceId, 600_000);
    assert.deepEqual(await driver.list(), []);
  });

  it('says why when it wants to write to its image', async () => {
    const told = await start(STOCK_IMAGE).then(
      () =>
        eventually(
          'its end',
          async () => (await driver.list()).find(({ status }) => status === 'dead')?.ending?.text,
        ),
      (error: Error) => error.message,
    );
    assert.match(told, /exit 1: .*Read-only file system/);
  });
});
