/** What a client may do with a handshake that is done: what its session is good for later, and that it begins no other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { eventually } from '../../helpers/eventually.ts';
import { makeCertificate, testMaterial } from '../../helpers/proxy/certificates.ts';
import { get } from '../../helpers/proxy/message.ts';
import { Peer } from '../../helpers/proxy/peer.ts';
import { Rig } from '../../helpers/proxy/rig.ts';

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  for (const [what, isKnown] of [
    ['before client certificates were wanted', false],
    ['with a certificate of an authority before', true],
  ] as const) {
    test(`a ${version} session begun ${what} is not resumed`, async (t) => {
      const [before, after] = [1, 2].map((n) => makeCertificate([`ca${n}.example`], { isAuthority: true }));
      const client = makeCertificate(['client.example'], { issuer: before! });
      const clientCa = isKnown ? before!.cert : '';
      const rig = await Rig.open(t, { tls: { ...testMaterial(), clientCa } });
      rig.replica.serve();
      const options = { maxVersion: version, servername: 'localhost', ...(isKnown && client) };
      const first = await Peer.connectTls(rig.port, options);
      first.send(get('/'));
      await first.response();
      const session = (first.socket as TLSSocket).getSession();
      first.close();
      rig.setTls({ ...testMaterial(), clientCa: after!.cert });
      const second = await Peer.connectTls(rig.port, { ...options, session }).catch(() => undefined);
      t.after(() => second?.close());
      second?.send(get('/'));
      assert.equal(await second?.over(), second && '');
      assert.equal(rig.replica.requests.length, 1);
    });
  }
}

for (const protocol of ['http/1.1', 'h2']) {
  test(`lets no client of ${protocol} begin another handshake on its connection`, async (t) => {
    const rig = await Rig.open(t, { tls: testMaterial(), http2: true });
    const peer = await Peer.connectTls(rig.port, { maxVersion: 'TLSv1.2', ALPNProtocols: [protocol] });
    t.after(() => peer.close());
    const socket = peer.socket as TLSSocket;
    const outcomes: string[] = [];
    socket.on('error', (error) => outcomes.push(String(error)));
    socket.renegotiate({}, (error) => outcomes.push(String(error)));
    const [outcome = ''] = await eventually('an outcome', () => outcomes.length > 0 && outcomes);
    assert.match(outcome, /no renegotiation/i);
    assert.deepEqual({ ...rig.counts().threads.handshakes }, { full: 1, resumed: 0, failed: 0 });
  });
}
