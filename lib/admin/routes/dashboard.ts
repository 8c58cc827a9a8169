/**
 * The files of the dashboard as routes: read once and listed one by one, so that no path of a request ever becomes the
 * path of a file. Source: RFC 9110 section 13.1.2 (If-None-Match).
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { PAGE_HEADERS } from '../page-headers.ts';
import type { Reply } from '../reply.ts';
import type { Route, RouteRequest } from './fleet.ts';

/** Served as `/`. */
const PAGE = 'index.html';
/** Served as `/dashboard/NAME`, from the directory of that name. */
const FILES = [
  'boot.js',
  'charts/chart-kinds.js',
  'charts/chart.js',
  'charts/charts.js',
  'charts/event-marks.js',
  'charts/series.js',
  'data/api.js',
  'data/link.js',
  'data/log-stream.js',
  'data/sse.js',
  'data/token.js',
  'dialogs/change-dialog.js',
  'dialogs/deploy-dialog.js',
  'dialogs/deploy-form.js',
  'dialogs/deploy-order.js',
  'dialogs/drain-dialog.js',
  'dialogs/preview.js',
  'dialogs/scale-dialog.js',
  'dialogs/scale-form.js',
  'icon-degraded.svg',
  'icon-down.svg',
  'icon-unknown.svg',
  'icon.svg',
  'main.js',
  'panels/config-panel.js',
  'panels/config-text.js',
  'panels/deploy-panel.js',
  'panels/deploy-text.js',
  'panels/drawer.js',
  'panels/log-lines.js',
  'panels/log-panel.js',
  'panels/log-text.js',
  'panels/scale-panel.js',
  'panels/scale-text.js',
  'replicas/order.js',
  'replicas/replica-row.js',
  'replicas/replica-table.js',
  'replicas/trouble.js',
  'ring/ring-geometry.js',
  'ring/ring.js',
  'view/banner.js',
  'view/dom.js',
  'view/event-list.js',
  'view/format.js',
  'view/headline.js',
  'view/links.js',
  'view/overview.js',
  'styles/tokens.css',
  'styles/base.css',
  'styles/page.css',
  'styles/replicas.css',
  'styles/cards.css',
  'styles/compact.css',
  'styles/events.css',
  'styles/charts.css',
  'styles/ring.css',
  'styles/dialogs.css',
  'styles/panels.css',
  'styles/deploy.css',
  'styles/scale.css',
] as const;
/** Served as `/dashboard/NAME`, from packages. */
const PACKAGED = {
  'uplot.js': 'uplot/dist/uPlot.esm.js',
  'uplot.css': 'uplot/dist/uPlot.min.css',
} as const;

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

/** One route for every file; reads them all. Throws where one is missing, for then the package is broken. */
export function createDashboardRoutes(): readonly Route[] {
  const own = (name: string) => new URL(`../dashboard/${name}`, import.meta.url);
  return [
    fileRoute('/', own(PAGE)),
    ...FILES.map((name) => fileRoute(`/dashboard/${name}`, own(name))),
    ...Object.entries(PACKAGED).map(([name, module]) =>
      fileRoute(`/dashboard/${name}`, new URL(import.meta.resolve(module))),
    ),
  ];
}

function fileRoute(path: string, file: URL): Route {
  const body = readFileSync(file);
  const tag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  const type = TYPES[/[^.]*$/.exec(file.pathname)?.[0] ?? ''] ?? 'application/octet-stream';
  // a browser revalidates each time, and gets a 304
  const headers = { ...PAGE_HEADERS, 'cache-control': 'no-cache', etag: tag };
  return {
    path,
    methods: ['GET', 'HEAD'],
    access: 'open',
    isListed: false,
    handle({ headers: asked }: RouteRequest): Reply {
      if (names(asked['if-none-match'], tag)) return { status: 304, headers, body: '' };
      return { status: 200, headers: { ...headers, 'content-type': type }, body };
    },
  };
}

/** True where a list of entity tags has this one, by weak comparison, which ignores `W/`. */
function names(list: string | undefined, tag: string): boolean {
  if (list === undefined) return false;
  return list.split(',').some((item) => ['*', tag].includes(item.trim().replace(/^W\//, '')));
}
