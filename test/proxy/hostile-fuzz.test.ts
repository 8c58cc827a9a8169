/** Thousands of malformed requests: what reaches a replica is unambiguous, and the balancer keeps serving. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { get, headersOf, type Message, ok } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';
import { type Random, seeded } from '../helpers/proxy/storm.ts';

const ROUNDS = 1500;

const SEEDS = [
  get('/a?b=c', 'Accept: */*\r\n'),
  'POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello',
  'POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5;e=1\r\nhello\r\n3\r\nyou\r\n0\r\nX: 1\r\n\r\n',
  'GET http://b.example/x HTTP/1.1\r\nHost: a\r\nConnection: close, X-A\r\nX-A: 1\r\n\r\n',
  'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  'HEAD /h HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
];
const SNIPPETS = [
  '\r',
  '\n',
  '\r\n',
  '\0',
  ' ',
  '\t',
  ':',
  ',',
  ';',
  '\x0b',
  '\x7f',
  '\x80',
  '0',
  '-',
  '+',
  '_',
  'ffffffff',
  '\r\n ',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: x\r\n',
  'Host: b\r\n',
  'Connection: Host\r\n',
  'Connection: Content-Length\r\n',
  'Expect: 100-continue\r\n',
  '0\r\n\r\n',
  'HTTP/1.1',
  'HTTP/1.0',
];

function spoilt(random: Random): string {
  let text = SEEDS[random(SEEDS.length)]!;
  for (let count = 1 + random(3); count > 0; count--) {
    const at = random(text.length);
    const snippet = SNIPPETS[random(SNIPPETS.length)]!;
    switch (random(4)) {
      case 0:
        text = text.slice(0, at) + snippet + text.slice(at);
        break;
      case 1:
        text = text.slice(0, at) + text.slice(at + 1 + random(3));
        break;
      case 2:
        text = text.slice(0, at) + String.fromCharCode(random(256)) + text.slice(at + 1);
        break;
      default: {
        const lines = text.split('\r\n');
        lines.splice(random(lines.length), 0, SNIPPETS[18 + random(8)]!.trim());
        text = lines.join('\r\n');
      }
    }
  }
  return text;
}

/** What is wrong with a head that reached a replica, by RFC 9112 at its strictest; undefined where nothing is. */
function doubtIn(request: Message): string | undefined {
  const [line = '', ...fields] = request.head.slice(0, -4).split('\r\n');
  if (!/^[A-Z-]+ [\x21-\x7e]+ HTTP\/1\.1$/.test(line)) return 'request line';
  if (!fields.every((field) => /^[\w!#$%&'*+.^`|~-]+: ?[\t\x20-\x7e\x80-\xff]*$/.test(field)))
    return 'header line';
  if (headersOf(request, 'host').length !== 1) return 'Host';
  const lengths = headersOf(request, 'content-length');
  const codings = headersOf(request, 'transfer-encoding');
  if (lengths.length + codings.length > 1) return 'two framings';
  if (!lengths.every((length) => /^\d{1,15}$/.test(length))) return 'Content-Length';
  if (!codings.every((coding) => coding === 'chunked')) return 'Transfer-Encoding';
  return undefined;
}

test('of malformed requests only unambiguous ones reach a replica', async (t) => {
  const random = seeded(99);
  const rig = await Rig.open(t, { maxInFlight: 64 });
  const doubts: string[] = [];
  rig.replica.serve((request) => {
    const doubt = doubtIn(request);
    if (doubt !== undefined) doubts.push(`${doubt}: ${JSON.stringify(request.head)}`);
    return ok('hello');
  });
  const one = async (): Promise<void> => {
    const client = await rig.client();
    client.isKept = false;
    client.send(spoilt(random) + spoilt(random));
    client.end();
    await client.over();
    client.close();
  };
  for (let round = 0; round < ROUNDS; round += 25) await Promise.all(Array.from({ length: 25 }, one));
  assert.deepEqual(doubts, []);
  assert.ok(
    rig.replica.requests.length > ROUNDS / 10,
    `${rig.replica.requests.length} requests came through`,
  );
  await rig.settled();
  const client = await rig.client();
  client.send(get('/'));
  assert.equal((await client.response()).body, 'hello');
});
