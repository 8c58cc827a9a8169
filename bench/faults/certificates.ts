/** What can go wrong with the files of certificates while they are renewed. */
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import type { FaultCase } from './fault-case.ts';
import { freePort } from './machine.ts';

/** New connections a second, each with a handshake of its own. */
const RATE = 50;
/** How long each state of the files lasts. */
const STATE_MS = 1500;

interface Pair {
  readonly cert: string;
  readonly key: string;
}

const SUBJECT = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

const openssl = (...args: readonly string[]): unknown => execFileSync('openssl', args, { stdio: 'pipe' });

function makePair(dir: string): Pair {
  const [cert, key] = [join(dir, 'new.crt'), join(dir, 'new.key')];
  openssl('req', '-x509', ...CURVE, ...SUBJECT, '-days', '30', '-keyout', key, '-out', cert);
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}

/** Only `openssl ca` makes one that begins in the past. */
function makeExpired(dir: string): Pair {
  const file = (name: string, text?: string): string => {
    if (text !== undefined) writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const [request, key, cert] = [file('old.csr'), file('old.key'), file('old.crt')];
  openssl('req', '-new', ...CURVE, ...SUBJECT, '-keyout', key, '-out', request);
  const config = file(
    'ca.cnf',
    `[ca]\ndefault_ca=d\n[d]\nnew_certs_dir=${dir}\ndatabase=${file('index', '')}\nrand_serial=yes\ndefault_md=sha256\npolicy=p\ncopy_extensions=copy\n[p]\ncommonName=supplied\n`,
  );
  const dates = ['-startdate', '20200101000000Z', '-enddate', '20210101000000Z'];
  const files = ['-config', config, '-keyfile', key, '-in', request, '-out', cert];
  openssl('ca', '-batch', '-selfsign', '-notext', ...dates, ...files);
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}

/** GETs at a fixed rate, each on a new connection; the fingerprints of the certificates that were shown. */
class Handshakes {
  sent = 0;
  lost = 0;
  readonly shown = new Set<string>();
  readonly #agent = new Agent({ keepAlive: false, rejectUnauthorized: false, maxCachedSessions: 0 });
  readonly #timer: NodeJS.Timeout;
  readonly #underWay = new Set<Promise<void>>();

  constructor(port: number) {
    this.#timer = setInterval(() => {
      const one = this.#send(port).finally(() => this.#underWay.delete(one));
      this.#underWay.add(one);
    }, 1000 / RATE);
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
    this.#agent.destroy();
  }

  #send(port: number): Promise<void> {
    this.sent++;
    return new Promise((resolve) => {
      const lose = (): void => {
        this.lost++;
        resolve();
      };
      const asked = request({ host: 'localhost', port, path: '/work', agent: this.#agent }, (response) => {
        this.shown.add((response.socket as TLSSocket).getPeerX509Certificate()?.fingerprint256 ?? '');
        if (response.statusCode !== 200) lose();
        response.resume().on('end', resolve).on('error', lose);
      });
      asked.on('error', lose);
      asked.end();
    });
  }
}

export const CERTIFICATES: readonly FaultCase[] = [
  {
    id: 'F35',
    title: 'certificates broken, cut off, expired, of another key, gone; then a good one',
    async run(stage) {
      const [certFile, keyFile] = [join(stage.dir, 'site.crt'), join(stage.dir, 'site.key')];
      const install = ({ cert, key }: Pair): void => {
        writeFileSync(certFile, cert);
        writeFileSync(keyFile, key);
      };
      const [first, second] = [makePair(stage.dir), makePair(stage.dir)];
      const expired = makeExpired(stage.dir);
      install(first);
      const tlsPort = await freePort();
      const files = ['--tls-cert', certFile, '--tls-key', keyFile];
      const balancer = await stage.balancer(['--tls-port', String(tlsPort), ...files]);
      const handshakes = new Handshakes(tlsPort);
      const states: readonly (() => void)[] = [
        () => install({ ...first, cert: 'nothing of the kind\n' }),
        () => install({ ...second, cert: second.cert.slice(0, second.cert.length / 2) }),
        () => install(expired),
        () => install({ cert: second.cert, key: first.key }),
        () => rmSync(keyFile),
      ];
      for (const enter of states) {
        enter();
        balancer.signal('SIGHUP');
        await stage.run(STATE_MS);
      }
      const shownBefore = handshakes.shown.size;
      install(second);
      balancer.signal('SIGHUP');
      await stage.run(STATE_MS);
      await handshakes.end();
      const problems = [
        ...(shownBefore === 1 ? [] : [`${shownBefore} certificates were shown before there was a good one`]),
        ...(handshakes.shown.size === 2 ? [] : ['the good one was not shown']),
      ];
      const { sent, lost } = handshakes;
      return { sent, lost, note: 'the one before is shown until there is a good one', problems };
    },
  },
];
