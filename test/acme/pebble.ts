/** An ACME server of this machine: Debian's `pebble` with its DNS server, on free ports. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findFreePort } from '../../lib/drivers/process/free-port.ts';
import { eventually } from '../helpers/eventually.ts';
import { makeCertificate } from '../helpers/proxy/certificates.ts';
import { skipUnless } from '../helpers/skip.ts';

const isThere = ['pebble', 'pebble-challtestsrv'].every(
  (program) => spawnSync('which', [program]).status === 0,
);
export const skipPebble: string | undefined = skipUnless(isThere, 'no pebble');

export interface Pebble {
  /** The ACME server's directory. */
  readonly url: string;
  /** The authority of the ACME server's own certificate, in PEM. */
  readonly caFile: string;
  stop(): void;
}

/** Every name leads to 127.0.0.1, where the server looks for challenges on `httpPort`. */
export async function startPebble(directory: string, httpPort: number): Promise<Pebble> {
  const taken = new Set<number>();
  const freePort = async (): Promise<number> => {
    const port = (await findFreePort(taken))!;
    taken.add(port);
    return port;
  };
  const [port, management, dns, dnsManagement] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const { cert, key } = makeCertificate(['localhost'], { isAuthority: true });
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const caFile = file('pebble.crt', cert);
  const config = {
    pebble: {
      listenAddress: `127.0.0.1:${port}`,
      managementListenAddress: `127.0.0.1:${management}`,
      certificate: caFile,
      privateKey: file('pebble.key', key),
      httpPort,
      tlsPort: 0,
    },
  };
  const children: ChildProcess[] = [];
  const start = (program: string, args: readonly string[], env = {}): void => {
    children.push(spawn(program, args, { stdio: 'ignore', env: { ...process.env, ...env } }));
  };
  const nothing = ['-http01', '', '-https01', '', '-tlsalpn01', ''];
  const names = ['-defaultIPv4', '127.0.0.1', '-defaultIPv6', '', '-dns01', `127.0.0.1:${dns}`];
  start('pebble-challtestsrv', [...names, ...nothing, '-management', `127.0.0.1:${dnsManagement}`]);
  start(
    'pebble',
    ['-config', file('pebble.json', JSON.stringify(config)), '-dnsserver', `127.0.0.1:${dns}`],
    {
      PEBBLE_VA_NOSLEEP: '1',
      PEBBLE_WFE_NONCEREJECT: '0',
    },
  );
  await eventually(
    'an ACME server',
    () => spawnSync('curl', ['-sf', '--cacert', caFile, `https://localhost:${port}/dir`]).status === 0,
  );
  return {
    url: `https://localhost:${port}/dir`,
    caFile,
    stop: () => {
      for (const child of children) child.kill('SIGKILL');
    },
  };
}
