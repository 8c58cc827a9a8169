/** The files of certificates: read at the start, and again when they change. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isBalancerError } from '../../../lib/platform/errors.ts';
import { CertificateFiles } from '../../../lib/proxy/downstream/tls/certificate-files.ts';
import type { TlsMaterial } from '../../../lib/proxy/downstream/tls/tls-server.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';
import { makeCertificate, type Pair } from '../../helpers/proxy/certificates.ts';
import { silentLogger } from '../../helpers/silent-logger.ts';

const DAY_MS = 86_400_000;
const [first, second] = [makeCertificate(['a.example']), makeCertificate(['a.example'])];

class Stage {
  readonly clock = new FakeClock();
  readonly changes: TlsMaterial[] = [];
  readonly warnings: string[] = [];
  readonly errors: string[] = [];
  readonly directory: string;

  private constructor(directory: string, nowMs: number) {
    this.directory = directory;
    this.clock.advance(nowMs);
  }

  /** The certificates of tests are valid from when they were made. */
  static async open(t: TestContext, nowMs = Date.now()): Promise<Stage> {
    const directory = await mkdtemp(join(tmpdir(), 'ringlb-tls-'));
    t.after(() => rm(directory, { recursive: true }));
    return new Stage(directory, nowMs);
  }

  put(name: string, text: string): Promise<void> {
    return writeFile(join(this.directory, name), text);
  }

  putPair(name: string, { cert, key }: Pair): Promise<void> {
    return this.put(`${name}.pem`, cert + key);
  }

  files(options = {}): CertificateFiles {
    const log = {
      ...silentLogger,
      warn: (_: unknown, message: string) => this.warnings.push(message),
      error: ({ cause }: { cause?: string }) => this.errors.push(String(cause)),
    };
    return new CertificateFiles({
      options: {
        tlsCert: [],
        tlsKey: [],
        acmeDir: '',
        tlsDir: this.directory,
        tlsClientCa: '',
        tlsTicketSecret: '',
        ...options,
      },
      clock: this.clock,
      log,
      onChange: (material) => this.changes.push(material),
    });
  }
}

test('reads every NAME.pem of the directory', async (t) => {
  const stage = await Stage.open(t);
  await stage.putPair('b', second);
  await stage.putPair('a', first);
  await stage.put('notes.txt', 'none');
  const { material, expiries } = stage.files();
  assert.deepEqual(
    material.certificates.map(({ cert }) => cert),
    [first.cert + first.key, second.cert + second.key],
  );
  assert.deepEqual(
    expiries.map(({ name }) => name),
    ['a', 'b'],
  );
});

test('reads certificates and keys from files of their own', async (t) => {
  const stage = await Stage.open(t);
  await stage.put('one.crt', first.cert);
  await stage.put('one.key', first.key);
  const path = (name: string): string => join(stage.directory, name);
  const { material } = stage.files({ tlsDir: '', tlsCert: [path('one.crt')], tlsKey: [path('one.key')] });
  assert.deepEqual(material.certificates, [{ hosts: ['a.example'], cert: first.cert, key: first.key }]);
});

test('does not start with a certificate that is not in order', async (t) => {
  const stage = await Stage.open(t);
  await stage.put('a.pem', first.cert + second.key);
  assert.throws(
    () => stage.files(),
    (error) => isBalancerError(error, 'certificate-unusable') && /a: the key is not/.test(error.message),
  );
});

test('does not start with a directory that is empty or missing', async (t) => {
  const stage = await Stage.open(t);
  assert.throws(() => stage.files(), /holds no NAME.pem/);
  assert.throws(() => stage.files({ tlsDir: join(stage.directory, 'none') }), /ENOENT/);
});

test('passes over folders, hidden files and what is no NAME.pem', async (t) => {
  const stage = await Stage.open(t);
  await stage.putPair('a', first);
  await mkdir(join(stage.directory, 'old.pem'));
  await symlink('nobody@nowhere', join(stage.directory, '.#a.pem'));
  await stage.put('a.pem~', 'none');
  assert.deepEqual(
    stage.files().expiries.map(({ name }) => name),
    ['a'],
  );
});

test('sees a volume of Kubernetes change, whose files are links', async (t) => {
  const stage = await Stage.open(t);
  const fill = async (version: string, pair: Pair): Promise<void> => {
    await mkdir(join(stage.directory, version));
    await stage.putPair(`${version}/a`, pair);
    await symlink(version, join(stage.directory, '..data_tmp'));
    await rename(join(stage.directory, '..data_tmp'), join(stage.directory, '..data'));
  };
  await fill('..1', first);
  await symlink('..data/a.pem', join(stage.directory, 'a.pem'));
  const files = stage.files();
  files.watch();
  await fill('..2', second);
  stage.clock.advance(10_000);
  assert.deepEqual(
    stage.changes.map(({ certificates }) => certificates[0]!.key),
    [second.cert + second.key],
  );
  files.close();
});

test('certificates whose files are called alike are named by path', async (t) => {
  const stage = await Stage.open(t);
  const path = (name: string): string => join(stage.directory, name);
  for (const [folder, { cert, key }] of [
    ['one', first],
    ['two', makeCertificate(['b.example'])],
  ] as const) {
    await mkdir(path(folder));
    await stage.put(`${folder}/tls.crt`, cert);
    await stage.put(`${folder}/tls.key`, key);
  }
  const tlsCert = [path('one/tls.crt'), path('two/tls.crt')];
  const files = stage.files({ tlsDir: '', tlsCert, tlsKey: [path('one/tls.key'), path('two/tls.key')] });
  assert.deepEqual(
    files.expiries.map(({ name }) => name),
    tlsCert,
  );
  await stage.put('one/tls.crt', 'half');
  files.reload();
  assert.deepEqual(
    files.material.certificates.map(({ hosts }) => hosts[0]),
    ['a.example', 'b.example'],
  );
});

test('a client authority that cannot be read is refused', async (t) => {
  const stage = await Stage.open(t);
  await stage.putPair('a', first);
  const text = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  await stage.put('ca.crt', text);
  assert.throws(
    () => stage.files({ tlsClientCa: join(stage.directory, 'ca.crt') }),
    /ca.crt is no certificate/,
  );
});

test('a directory that cannot be read leaves all certificates in place', async (t) => {
  const stage = await Stage.open(t);
  const acmeDir = join(stage.directory, 'acme');
  const tlsDir = join(stage.directory, 'own');
  for (const directory of [acmeDir, tlsDir]) await mkdir(directory);
  await stage.putPair('acme/a', first);
  await stage.putPair('own/b', second);
  const files = stage.files({ tlsDir, acmeDir });
  await rename(tlsDir, join(stage.directory, 'gone'));
  assert.equal(files.reload().length, 1);
  assert.deepEqual(
    files.expiries.map(({ name }) => name),
    ['b', 'a'],
  );
});

test('a changed certificate is given to the threads within ten seconds', async (t) => {
  const stage = await Stage.open(t);
  await stage.putPair('a', first);
  const files = stage.files();
  files.watch();
  stage.clock.advance(10_000);
  assert.equal(stage.changes.length, 0);
  await stage.putPair('a', second);
  await stage.putPair('b', first);
  stage.clock.advance(10_000);
  assert.deepEqual(
    stage.changes[0]!.certificates.map(({ key }) => key),
    [second.cert + second.key, first.cert + first.key],
  );
  files.close();
  assert.equal(stage.clock.pending, 0);
});

test('a file that is changed in place is seen, whatever its times and size say', async (t) => {
  const stage = await Stage.open(t);
  // as tools write it that keep the times of a file
  const put = async ({ cert, key }: Pair): Promise<void> => {
    await stage.put('a.pem', (cert + key).padEnd(4000, '\n'));
    await utimes(join(stage.directory, 'a.pem'), 1e9, 1e9);
  };
  await put(first);
  const files = stage.files();
  files.watch();
  t.after(() => files.close());
  await put(second);
  stage.clock.advance(10_000);
  assert.ok(stage.changes.at(-1)?.certificates[0]?.cert.startsWith(second.cert));
});

test('a certificate that is not valid yet waits until it is, where there is one before', async (t) => {
  const stage = await Stage.open(t, Date.now() - DAY_MS);
  await stage.putPair('a', first);
  const files = stage.files();
  const [only] = files.material.certificates;
  assert.equal(only!.cert, first.cert + first.key);
  files.watch();
  t.after(() => files.close());
  await stage.putPair('a', second);
  stage.clock.advance(10_000);
  assert.equal(stage.changes.at(-1)!.certificates[0]!.cert, only!.cert);
  assert.match(stage.errors.join(), /a is not valid before /);
  stage.clock.advance(DAY_MS + 600_000);
  assert.equal(stage.changes.at(-1)!.certificates[0]!.cert, second.cert + second.key);
  assert.equal(stage.errors.length, 1);
});

test('a certificate that becomes unusable leaves the one before in place', async (t) => {
  const stage = await Stage.open(t);
  await stage.putPair('a', first);
  const files = stage.files();
  for (const broken of [first.cert.slice(0, 200), first.cert + second.key, '']) {
    await stage.put('a.pem', broken);
    assert.equal(files.reload().length, 1);
    assert.equal(stage.changes.at(-1)!.certificates[0]!.cert, first.cert + first.key);
  }
  assert.equal(stage.errors.length, 3);
  await stage.putPair('a', second);
  assert.deepEqual(files.reload(), []);
  assert.equal(stage.changes.at(-1)!.certificates[0]!.cert, second.cert + second.key);
});

test('warns of a certificate that expires soon, once a day', async (t) => {
  const stage = await Stage.open(t);
  await stage.putPair('a', makeCertificate(['a.example'], { days: 20 }));
  const files = stage.files();
  files.watch();
  assert.deepEqual(stage.warnings, []);
  stage.clock.advance(6.5 * DAY_MS);
  assert.equal(stage.warnings.length, 1);
  assert.match(stage.warnings[0]!, /certificate a expires on .*; renew it/);
  stage.clock.advance(2 * DAY_MS);
  assert.equal(stage.warnings.length, 3);
});

test('ticket keys change every twelve hours, alike with the same secret', async (t) => {
  const stage = await Stage.open(t);
  await stage.putPair('a', first);
  await stage.put('secret', 'x'.repeat(32));
  const tlsTicketSecret = join(stage.directory, 'secret');
  const [files, others] = [stage.files({ tlsTicketSecret }), stage.files({ tlsTicketSecret })];
  const before = Buffer.from(files.material.ticketKeys);
  assert.equal(before.length, 48);
  assert.deepEqual(Buffer.from(others.material.ticketKeys), before);
  assert.notDeepEqual(Buffer.from(stage.files().material.ticketKeys), before);
  files.watch();
  stage.clock.advance(12 * 3_600_000);
  assert.notDeepEqual(Buffer.from(stage.changes.at(-1)!.ticketKeys), before);
  assert.deepEqual(Buffer.from(others.material.ticketKeys), Buffer.from(stage.changes.at(-1)!.ticketKeys));
});

test('a ticket secret that is too short is refused', async (t) => {
  const stage = await Stage.open(t);
  await stage.putPair('a', first);
  await stage.put('secret', 'short');
  assert.throws(() => stage.files({ tlsTicketSecret: join(stage.directory, 'secret') }), /32 bytes or more/);
});

test('certificates of an ACME server stay while their directory is gone', async (t) => {
  const stage = await Stage.open(t);
  const acmeDir = join(stage.directory, 'acme');
  await mkdir(acmeDir);
  await writeFile(join(acmeDir, 'a.example.pem'), first.cert + first.key);
  const files = stage.files({ tlsDir: '', acmeDir });
  files.watch();
  t.after(() => files.close());
  await rename(acmeDir, `${acmeDir}-gone`);
  stage.clock.advance(60_000);
  assert.equal(files.material.certificates.length, 1);
  assert.match(stage.errors.join(), /ENOENT/);
  await rename(`${acmeDir}-gone`, acmeDir);
  await writeFile(join(acmeDir, 'b.example.pem'), second.cert + second.key);
  stage.clock.advance(60_000);
  assert.deepEqual(
    files.expiries.map(({ name }) => name),
    ['a.example', 'b.example'],
  );
});
