/**
 * The Node peers, one small process each: `node node-peer.ts <kind> <port> <upstream port>,<upstream port>,…`. Every
 * kind takes the upstreams in turn over kept-alive connections, with logs off and its library's own defaults
 * otherwise. None of them hashes, probes, counts or retries: they do less than ringlb does.
 */
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';

type Handle = (req: IncomingMessage, res: ServerResponse) => void;

/** What http-proxy and its descendants have in common. */
interface WebProxy {
  web(req: IncomingMessage, res: ServerResponse, options: { readonly target: string }): unknown;
  on(event: 'error', listener: (error: Error, req: IncomingMessage, res: unknown) => void): unknown;
}
interface WebProxyModule {
  createProxyServer(options: { readonly agent: Agent; readonly xfwd: boolean }): WebProxy;
}
type FastProxyModule = (options: { readonly base: string; readonly undici: boolean }) => {
  proxy(req: IncomingMessage, res: ServerResponse, source: string | undefined, options: object): void;
};

const BACKLOG = 4096;
const [kind = '', port = '', upstreamPorts = ''] = process.argv.slice(2);
const upstreams = upstreamPorts.split(',').map(Number);
const agent = new Agent({ keepAlive: true, maxFreeSockets: 1024 });

function inTurn<T>(items: readonly T[]): () => T {
  let turn = 0;
  return () => {
    turn = turn + 1 === items.length ? 0 : turn + 1;
    return items[turn]!;
  };
}

function refuse(res: ServerResponse): void {
  if (res.headersSent) res.destroy();
  else res.writeHead(502).end();
}

function plainNode(): Handle {
  const next = inTurn(upstreams);
  return (req, res) => {
    const { method, url: path, headers } = req;
    const upstream = request(
      { agent, host: '127.0.0.1', port: next(), method: method ?? 'GET', path: path ?? '/', headers },
      (answer) => {
        res.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        answer.pipe(res);
      },
    );
    upstream.on('error', () => refuse(res));
    req.pipe(upstream);
  };
}

function webProxy(module: WebProxyModule): Handle {
  const next = inTurn(upstreams.map((upstreamPort) => ({ target: `http://127.0.0.1:${upstreamPort}` })));
  const proxy = module.createProxyServer({ agent, xfwd: true });
  proxy.on('error', (_error, _req, res) => refuse(res as ServerResponse));
  return (req, res) => void proxy.web(req, res, next());
}

function fastProxy(create: FastProxyModule, undici: boolean): Handle {
  const next = inTurn(
    upstreams.map((upstreamPort) => create({ base: `http://127.0.0.1:${upstreamPort}`, undici })),
  );
  return (req, res) => next().proxy(req, res, req.url, {});
}

/** Loads a package of `peers/package.json`, which has no types that the project's compiler could see. */
async function load<T>(name: string): Promise<T> {
  const module = (await import(name)) as { readonly default?: T } & T;
  return module.default ?? module;
}

async function handler(): Promise<Handle> {
  if (kind === 'node-http') return plainNode();
  if (kind.startsWith('fast-proxy')) {
    return fastProxy(await load<FastProxyModule>('fast-proxy'), kind === 'fast-proxy-undici');
  }
  return webProxy(await load<WebProxyModule>(kind));
}

createServer(await handler()).listen({ port: Number(port), host: '127.0.0.1', backlog: BACKLOG });
