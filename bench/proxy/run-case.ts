/**
 * One case from start to end: starts its backend and its peers, warms each, then measures them one at a time in turn,
 * round after round, every second round in the opposite order so that drift of the machine falls on all alike. Peers
 * stay up between rounds (idle, they cost nothing) so that compiled code stays warm, unless the case wants them new.
 * Invariant: everything it started is stopped when it returns or throws.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { startBackend, untilReady } from './backends.ts';
import type { BenchCase } from './cases.ts';
import { makeCertificate } from './certificate.ts';
import { DEPLOYING } from './deploys.ts';
import type { Cores } from './machine.ts';
import {
  type Bench,
  measureCold,
  measureDeploy,
  measureLoad,
  measureMemory,
  measureOpenLoop,
  measureStalled,
  type Target,
  warmUp,
} from './measure.ts';
import type { BenchOptions } from './options.ts';
import { PEERS, type Peer, type PeerSetup, STICKY_PEER, stickyCookie } from './peers.ts';
import { freePort, type Processes, type Started } from './processes.ts';
import { DIRECT, ONE_WORKER, type Row, type Sample, summarise, type Values } from './stats.ts';

export interface Run {
  readonly options: BenchOptions;
  readonly processes: Processes;
  readonly cores: Cores;
  readonly node: string;
  readonly dir: string;
  readonly takenPorts: Set<number>;
  say(text: string): void;
}

/** A peer in one of the ways in which it takes part. */
interface Entrant {
  readonly label: string;
  readonly peer: Peer;
  readonly workers: number;
  readonly cores: readonly number[];
}

interface Running extends Entrant {
  readonly started: Started;
  readonly port: number;
  readonly readyMs: number;
  deploy?(): Promise<void>;
  readonly ownsUpstreams?: boolean;
}

/** The native peers have no code to compile; this only opens their upstream connections. */
const NATIVE_WARM_SECONDS = 0.3;
const TWO_WORKERS = 'ringlb, 2 workers';

function entrants({ options, cores, say }: Run, benchCase: BenchCase): Entrant[] {
  const asked =
    options.peers.length > 0
      ? options.peers
      : (benchCase.peers ?? PEERS.map((peer) => peer.name).filter((name) => name !== STICKY_PEER));
  const present = PEERS.filter((peer) => {
    if (!asked.includes(peer.name)) return false;
    if (peer.version() === undefined) say(`  ${peer.name} is not installed: left out`);
    return peer.version() !== undefined;
  });
  if (benchCase.kind === 'workers') {
    return present
      .filter((peer) => peer.name === 'ringlb')
      .flatMap((peer) => [
        { label: ONE_WORKER, peer, workers: 1, cores: cores.all },
        { label: TWO_WORKERS, peer, workers: 2, cores: cores.all },
      ]);
  }
  return present.map((peer) => ({ label: peer.name, peer, workers: 1, cores: cores.peer }));
}

async function startPeer(run: Run, entrant: Entrant, bench: Bench, benchCase: BenchCase): Promise<Running> {
  const tls = benchCase.tls ? makeCertificate(run.dir) : undefined;
  const port = await freePort(run.takenPorts);
  const dir = join(run.dir, `peer-${port}`);
  mkdirSync(dir);
  const setup: PeerSetup = {
    port,
    upstreams: bench.backend.ports,
    dir,
    node: run.node,
    adminPort: await freePort(run.takenPorts),
    plainPort: await freePort(run.takenPorts),
    ...(tls && { tls }),
    http2: benchCase.load === 'h2load',
    workers: entrant.workers,
    ringlb: resolve(run.options.ringlb),
  };
  const deploying = benchCase.kind === 'deploy' ? DEPLOYING[entrant.peer.name] : undefined;
  const loadCores = run.cores.load;
  const command = deploying?.command(setup, loadCores) ?? entrant.peer.command(setup);
  const begunMs = performance.now();
  const started = await run.processes.start(command, entrant.cores);
  await untilReady(started, port, benchCase.path, benchCase.tls);
  const readyMs = performance.now() - begunMs;
  const deploy = deploying && {
    deploy: () => deploying.deploy(setup, started, loadCores),
    ownsUpstreams: deploying.ownsUpstreams,
  };
  return { ...entrant, started, port, readyMs, ...deploy };
}

/** Starts and warms a peer; says why it cannot. */
async function startWarm(
  run: Run,
  entrant: Entrant,
  bench: Bench,
  benchCase: BenchCase,
): Promise<Running | undefined> {
  try {
    const peer = await startPeer(run, entrant, bench, benchCase);
    const { warmRequests, warmSeconds } = run.options;
    const isCompiling = peer.peer.runtime === 'node';
    const seconds = isCompiling ? warmSeconds : NATIVE_WARM_SECONDS;
    if (benchCase.kind !== 'memory' && benchCase.kind !== 'cold') {
      for (let left = isCompiling ? benchCase.warmUps : 1; left > 0; left--)
        await warmUp(bench, targetOf(peer), benchCase, { requests: warmRequests, seconds });
    }
    return peer;
  } catch (error) {
    run.say(`  ${entrant.label} does not start: left out (${(error as Error).message})`);
    return undefined;
  }
}

function targetOf({ port, started, readyMs, deploy, ownsUpstreams = false }: Running): Target {
  return { port, pid: started.pid, readyMs, ownsUpstreams, ...(deploy && { deploy }) };
}

async function measure(run: Run, benchCase: BenchCase, bench: Bench, target: Target): Promise<Values> {
  if (benchCase.kind === 'open-loop') return measureOpenLoop(bench, target, benchCase);
  if (benchCase.kind === 'memory') {
    return measureMemory(bench, target, benchCase, run.options.memoryRequests);
  }
  if (benchCase.kind === 'cold') return measureCold(bench, target, benchCase);
  if (benchCase.kind === 'deploy') return measureDeploy(bench, target, benchCase);
  if (benchCase.kind === 'stalled') return measureStalled(bench, target, benchCase);
  const values = await measureLoad(bench, target, benchCase);
  return benchCase.kind === 'workers' ? withoutBusy(values) : values;
}

/** With as many cores as there are, which the load shares, how busy one of them was says nothing. */
function withoutBusy({ busy: _, ...values }: Values): Values {
  return values;
}

interface Turn {
  readonly label: string;
  /** Gives the peer to measure; undefined where it does not start. */
  begin(): Promise<Target | undefined>;
  end(): Promise<void>;
}

/** A peer that is started for each round. */
function freshTurn(run: Run, entrant: Entrant, bench: Bench, benchCase: BenchCase): Turn {
  let peer: Running | undefined;
  return {
    label: entrant.label,
    async begin() {
      peer = await startWarm(run, entrant, bench, benchCase);
      return peer && targetOf(peer);
    },
    async end() {
      if (peer) await run.processes.stop(peer.started);
    },
  };
}

/** A target that runs until the case ends. */
function standingTurn(label: string, target: Target): Turn {
  return { label, begin: () => Promise.resolve(target), end: () => Promise.resolve() };
}

async function standingTurns(run: Run, benchCase: BenchCase, bench: Bench): Promise<Turn[]> {
  const turns: Turn[] = [];
  for (const entrant of entrants(run, benchCase)) {
    const peer = await startWarm(run, entrant, bench, benchCase);
    if (peer) turns.push(standingTurn(peer.label, targetOf(peer)));
  }
  return turns;
}

async function runRound(
  run: Run,
  benchCase: BenchCase,
  bench: Bench,
  turns: readonly Turn[],
): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const turn of turns) {
    const { label } = turn;
    try {
      const target = await turn.begin();
      if (target) samples.push({ peer: label, values: await measure(run, benchCase, bench, target) });
    } catch (error) {
      run.say(`  ${label} could not be measured in this round: ${(error as Error).message}`);
    } finally {
      await turn.end();
    }
  }
  return samples;
}

async function runRounds(run: Run, benchCase: BenchCase, bench: Bench): Promise<Row[]> {
  const turns = benchCase.isFresh
    ? entrants(run, benchCase).map((entrant) => freshTurn(run, entrant, bench, benchCase))
    : await standingTurns(run, benchCase, bench);
  if (benchCase.kind === 'open-loop') turns.push(standingTurn(DIRECT, { port: bench.backend.ports[0]! }));
  const count = benchCase.kind === 'memory' ? 1 : run.options.rounds;
  const rounds: Sample[][] = [];
  for (let round = 0; round < count; round++) {
    rounds.push(await runRound(run, benchCase, bench, round % 2 === 0 ? turns : turns.toReversed()));
  }
  const order = turns.map((turn) => turn.label);
  return summarise(rounds).sort((a, b) => order.indexOf(a.peer) - order.indexOf(b.peer));
}

/** Runs one case; returns a row for each peer that could be measured. */
export async function runCase(run: Run, benchCase: BenchCase): Promise<Row[]> {
  const { processes, cores, node, takenPorts } = run;
  const dir = join(run.dir, benchCase.name);
  mkdirSync(dir);
  const script = join(dir, 'wrk.lua');
  if (benchCase.script !== undefined) writeFileSync(script, benchCase.script);
  try {
    const kind = benchCase.backend;
    const { upstreams } = benchCase;
    const backend = await startBackend({
      kind,
      upstreams,
      processes,
      cores: cores.load,
      dir,
      takenPorts,
      node,
    });
    const cookie = run.options.sticky ? ['-H', `Cookie: ${stickyCookie(backend.ports[0]!)}`] : [];
    const sent = { ...benchCase, wrkArgs: [...benchCase.wrkArgs, ...cookie] };
    return await runRounds(run, sent, {
      processes,
      loadCores: cores.load,
      node,
      backend,
      seconds: run.options.seconds,
      logFile: join(dir, 'requests.log'),
      ...(benchCase.script === undefined ? {} : { script }),
    });
  } finally {
    await processes.stopAll();
  }
}
