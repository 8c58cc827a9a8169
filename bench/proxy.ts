/**
 * `npm run bench:proxy`: what a proxied request costs, ringlb beside every peer that is installed. Reads the command
 * line, takes the cores, runs the cases one after another, prints their tables and writes the results.
 * Invariant: whatever ends it, all that it started is stopped and its temporary directory is gone.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { CASES } from './proxy/cases.ts';
import { writeReport } from './proxy/docs-tables.ts';
import { findNode, readMachine, takeCores } from './proxy/machine.ts';
import { type BenchOptions, HELP, parseOptions } from './proxy/options.ts';
import { installNodePeers, PEERS } from './proxy/peers.ts';
import { Processes } from './proxy/processes.ts';
import { writeResult } from './proxy/results.ts';
import { type Run, runCase } from './proxy/run-case.ts';
import type { Row } from './proxy/stats.ts';
import { renderRows } from './proxy/table.ts';

const ROOT = join(import.meta.dirname, '..');
/** Below this share of its core a peer was waiting for the load, and its requests a second say little. */
const BUSY = 0.9;
/** Above this many runnable processes before the start, others are at work on the machine. */
const IDLE_LOAD = 0.5;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

function startRun(options: BenchOptions): Run {
  const processes = new Processes();
  const dir = mkdtempSync(join(tmpdir(), 'ringlb-bench-'));
  process.once('exit', () => {
    processes.closeNow();
    rmSync(dir, { recursive: true, force: true });
  });
  for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 })) {
    process.once(signal, () => process.exit(code));
  }
  return { options, processes, cores: takeCores(), node: findNode(ROOT), dir, takenPorts: new Set(), say };
}

function versionsOf(rows: readonly Row[]): Record<string, string> {
  const known = PEERS.map((peer) => [peer.name, peer.version() ?? ''] as const);
  return Object.fromEntries(known.filter(([name]) => rows.some((row) => row.peer.split(',')[0] === name)));
}

function remark(rows: readonly Row[]): void {
  const names = rows.filter((row) => (row.values.busy ?? 1) < BUSY).map((row) => row.peer);
  if (names.length > 0) {
    say(`The core was not kept busy for ${names.join(', ')}: their requests/s are a lower bound.`);
  }
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (!options) return say(HELP);
  const run = startRun(options);
  const machine = readMachine(run.node, run.cores);
  const problem = installNodePeers(options.peers.length > 0 ? options.peers : PEERS.map((peer) => peer.name));
  if (problem !== undefined) say(`the Node peers could not be installed: ${problem}`);
  say(`${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, Node ${machine.node}`);
  const load = loadavg()[0]!;
  if (load > IDLE_LOAD)
    say(`The machine is not idle (load ${load.toFixed(1)}): trust CPU per request, not latencies.`);
  for (const benchCase of CASES.filter((each) => options.cases.includes(each.name))) {
    say(`\n${benchCase.name}: ${benchCase.title}`);
    const rows = await runCase(run, benchCase);
    if (rows.length === 0) continue;
    say(renderRows(rows));
    remark(rows);
    if (!options.write) continue;
    writeResult(join(ROOT, 'bench/results'), {
      case: benchCase.name,
      title: benchCase.title,
      date: new Date().toISOString().slice(0, 10),
      machine,
      rounds: options.rounds,
      seconds: options.seconds,
      versions: versionsOf(rows),
      rows,
    });
  }
  if (options.write) say(`\n${writeReport(ROOT)}`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
process.exit();
