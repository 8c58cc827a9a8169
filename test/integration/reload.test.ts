import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import type { ConfigView, EventsView, ReloadView } from '../../lib/api/types.ts';
import { Balancer } from '../helpers/balancer.ts';
import { eventually } from '../helpers/eventually.ts';

/** A server that responds with its name, and holds `/held` until the test lets it go. */
class NamedServer {
  readonly held: ServerResponse[] = [];
  readonly #server: Server;

  constructor(name: string) {
    this.#server = createServer(({ url }, response) => {
      if (url === '/held') this.held.push(response);
      else response.end(name);
    });
  }

  async open(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

describe('a balancer that reads its options anew', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ringlb-reload-'));
  const file = join(folder, 'ringlb.yaml');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let balancer: Balancer;
  let servers: readonly NamedServer[];

  function write(upstreams: readonly Pick<NamedServer, 'url'>[], more: readonly string[] = []): void {
    const list = upstreams.map(({ url }) => `  - ${url}`);
    writeFileSync(file, ['driver: static', 'probe-path: /', 'upstreams:', ...list, ...more, ''].join('\n'));
  }

  /** A request on the one connection; rejects where it has to open another. */
  function onOneConnection(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const { publicPort: port } = balancer;
      const sent = request({ host: '127.0.0.1', port, path, agent }, (response) => resolve(text(response)));
      sent.on('error', reject);
      sent.end();
    });
  }

  async function message<T>(method: string, path: string): Promise<T> {
    const { status, body } = await balancer.askAdmin(method, path);
    assert.equal(status, 200, body);
    return (JSON.parse(body) as { message: T }).message;
  }

  before(async () => {
    servers = await Promise.all(['a', 'b', 'c'].map((name) => new NamedServer(name).open()));
    write(servers.slice(0, 2), ['retries: 1']);
    balancer = await Balancer.ready(`--config ${file}`);
  });
  after(async () => {
    agent.destroy();
    await balancer.stop();
    for (const server of servers) server.close();
    rmSync(folder, { recursive: true });
  });

  it('shows every option, its value and where it came from', async () => {
    const view = await message<ConfigView>('GET', '/config');
    const shown = (name: string) => view.options.find(({ option }) => option === name);
    assert.equal(view.file, file);
    assert.deepEqual(shown('retries'), {
      option: 'retries',
      value: '1',
      default: '2',
      source: 'file',
      from: `${file}:6:10`,
      takes: 'live',
    });
    assert.equal(shown('admin-port')?.source, 'flag');
  });

  it('follows another list of servers on SIGHUP, and cuts no request', async () => {
    assert.match(await onOneConnection('/'), /^[ab]$/);
    const held = onOneConnection('/held');
    const holder = await eventually('the request at a server', () =>
      servers.find((server) => server.held.length > 0),
    );
    const stays = servers.find((server) => server !== holder)!;
    write([stays, servers[2]!]);
    balancer.signal('SIGHUP');
    await eventually('the new server', async () => {
      const names = (await balancer.replicas())
        .filter(({ draining }) => !draining)
        .map(({ endpoint }) => `http://${endpoint}`);
      return names.length === 2 && names.includes(servers[2]!.url) && !names.includes(holder.url);
    });
    holder.held[0]!.end('whole');
    assert.equal(await held, 'whole');
    await balancer.untilHealthy(2);
    const seen = new Set<string>();
    for (let count = 0; count < 40; count++) seen.add(await onOneConnection('/'));
    assert.equal(seen.size, 2);
    assert.equal(Object.values(agent.freeSockets).flat().length, 1, 'still the first connection');
  });

  it('says in an event what changed', async () => {
    const { events } = await message<EventsView>('GET', '/events');
    const { cause } = events.findLast(({ kind }) => kind === 'config-changed')!;
    assert.equal(cause, 'changed: upstreams, retries');
  });

  it('names on POST /reload what only a restart takes', async () => {
    write(servers, ['workers: 7', 'log-level: warn']);
    const { changed, needsRestart } = await message<ReloadView>('POST', '/reload');
    assert.deepEqual([changed, needsRestart], [['upstreams', 'log-level'], ['workers']]);
    const view = await message<ConfigView>('GET', '/config');
    assert.deepEqual(view.needsRestart, ['workers']);
  });

  it('stays as it is on a wrong file, and says why', async () => {
    const before = await message<ConfigView>('GET', '/config');
    write([servers[0]!], ['respose-timeout: 1s']);
    const env = { LB_ADMIN_PORT: String(balancer.adminPort) };
    const command = Balancer.spawn('reload', { env });
    assert.deepEqual(await command.exited, { code: 1, signal: null });
    assert.match(
      command.stderr,
      /ringlb\.yaml:5:1: respose-timeout is not an option; did you mean response-timeout\?/,
    );
    assert.deepEqual(await message<ConfigView>('GET', '/config'), before);
  });

  it('gives servers the weights of the new list', async () => {
    const [first, ...others] = servers;
    write([{ url: `${first!.url} weight=3` }, ...others]);
    await message<ReloadView>('POST', '/reload');
    // the list of the test before may not have been followed yet
    await eventually('the weight', async () =>
      (await balancer.replicas()).some(
        ({ endpoint, weight }) => endpoint === new URL(first!.url).host && weight === 3,
      ),
    );
  });

  it('reloads by the command line', async () => {
    write(servers);
    const env = { LB_ADMIN_PORT: String(balancer.adminPort) };
    const command = Balancer.spawn('reload', { env });
    assert.deepEqual(await command.exited, { code: 0, signal: null });
    assert.equal(command.stdout, 'changed: upstreams\n');
  });

  it('sets a sticky cookie once that is on, and other values with another secret', async () => {
    const setCookie = async (): Promise<string> => {
      const { headers } = await balancer.ask('GET', '/', { headers: { 'x-request-id': 'same' } });
      return headers['set-cookie']?.[0]?.split(';', 1)[0] ?? '';
    };
    assert.equal(await setCookie(), '');
    const cookies: string[] = [];
    for (const secret of ['one', 'another']) {
      write(servers, ['sticky: lb', `sticky-secret: ${secret.padEnd(16, '-')}`]);
      await message<ReloadView>('POST', '/reload');
      cookies.push(await setCookie());
    }
    for (const cookie of cookies) assert.match(cookie, /^lb=[\w-]{22}$/);
    assert.notEqual(cookies[0], cookies[1]);
    write(servers);
    await message<ReloadView>('POST', '/reload');
    assert.equal(await setCookie(), '');
  });
});
