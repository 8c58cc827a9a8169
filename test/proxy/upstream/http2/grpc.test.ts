/** gRPC calls of a real client to a real server: over TLS and HTTP/2 to the balancer, over HTTP/2 to the replica. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import {
  type CallOptions,
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  credentials,
  Metadata,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { eventually } from '../../../helpers/eventually.ts';
import { makeCertificate, materialOf } from '../../../helpers/proxy/certificates.ts';
import { Rig } from '../../../helpers/proxy/rig.ts';

const certificate = makeCertificate(['localhost']);
const asBytes = (text: string): Buffer => Buffer.from(text);
const asText = (bytes: Buffer): string => bytes.toString();
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Shop/${name}`,
  requestStream,
  responseStream,
  requestSerialize: asBytes,
  requestDeserialize: asText,
  responseSerialize: asBytes,
  responseDeserialize: asText,
});
const SERVICE = {
  unary: method('Unary', false, false),
  download: method('Download', false, true),
  chat: method('Chat', true, true),
};
const ShopClient = makeGenericClientConstructor(SERVICE, 'Shop');

type Callback = (error: ServiceError | null, reply: string) => void;
interface Shop extends Client {
  unary(request: string, metadata: Metadata, options: CallOptions, callback: Callback): ClientUnaryCall;
  download(request: string): ClientReadableStream<string>;
  chat(): ClientDuplexStream<string, string>;
}

interface Stage {
  readonly rig: Rig;
  readonly shop: Shop;
  /** Calls of which the server was told that they are cancelled. */
  readonly calls: { readonly cancelled: number };
}

async function stage(t: TestContext): Promise<Stage> {
  const server = new Server();
  const calls = { cancelled: 0 };
  server.addService(SERVICE, {
    unary(call: ServerUnaryCall<string, string>, reply: sendUnaryData<string>) {
      if (call.request === 'fail') return reply({ code: status.NOT_FOUND, details: 'no such thing' });
      if (call.request === 'hang') return call.on('cancelled', () => calls.cancelled++);
      const initial = new Metadata();
      initial.set('x-initial', String(call.metadata.get('x-own')[0]));
      call.sendMetadata(initial);
      const trailing = new Metadata();
      trailing.set('x-trailing', 'yes');
      reply(null, call.request.toUpperCase(), trailing);
    },
    download(call: ServerWritableStream<string, string>) {
      for (let count = 0; count < 100; count++) call.write(`${call.request}${count}`);
      call.end();
    },
    chat(call: ServerDuplexStream<string, string>) {
      call.on('data', (text: string) => call.write(`echo ${text}`));
      call.on('end', () => call.end());
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  t.after(() => server.forceShutdown());
  const rig = await Rig.open(t, {
    tls: materialOf([{ hosts: ['localhost'], ...certificate }]),
    http2: true,
    upstreamProtocol: 'h2',
    retries: 0,
  });
  rig.place(0, { host: '127.0.0.1', port });
  const shop = new ShopClient(
    `localhost:${rig.port}`,
    credentials.createSsl(Buffer.from(certificate.cert)),
  ) as unknown as Shop;
  t.after(() => shop.close());
  return { rig, shop, calls };
}

interface Reply {
  readonly text: string;
  readonly initial: Metadata;
  readonly trailing: Metadata;
}

function unary({ shop }: Stage, request: string, options: CallOptions = {}): Promise<Reply> {
  const metadata = new Metadata();
  metadata.set('x-own', 'mine');
  return new Promise((resolve, reject) => {
    let [initial, trailing] = [new Metadata(), new Metadata()];
    let text = '';
    const call = shop.unary(request, metadata, options, (error, reply) => {
      if (error) reject(error);
      text = reply;
    });
    call.on('metadata', (fields: Metadata) => {
      initial = fields;
    });
    call.on('status', ({ metadata: fields }) => {
      trailing = fields;
      resolve({ text, initial, trailing });
    });
  });
}

test('a unary call passes, with its metadata', async (t) => {
  const { text, initial, trailing } = await unary(await stage(t), 'hello');
  assert.equal(text, 'HELLO');
  assert.deepEqual(initial.get('x-initial'), ['mine']);
  assert.deepEqual(trailing.get('x-trailing'), ['yes']);
});

test("a server's error passes, with its code and its words", async (t) => {
  await assert.rejects(unary(await stage(t), 'fail'), { code: status.NOT_FOUND, details: 'no such thing' });
});

test('a message of a megabyte passes', async (t) => {
  const { text } = await unary(await stage(t), 'x'.repeat(1 << 20));
  assert.equal(text.length, 1 << 20);
});

test('a call past its deadline is cancelled at the server', async (t) => {
  const on = await stage(t);
  await assert.rejects(unary(on, 'hang', { deadline: Date.now() + 500 }), { code: status.DEADLINE_EXCEEDED });
  await eventually('the cancellation', () => on.calls.cancelled === 1);
  await on.rig.settled();
});

test('a server stream passes, message by message', async (t) => {
  const { shop } = await stage(t);
  const received: string[] = [];
  const call = shop.download('part');
  call.on('data', (text: string) => received.push(text));
  await once(call, 'end');
  assert.deepEqual(
    received,
    Array.from({ length: 100 }, (_, count) => `part${count}`),
  );
});

test('a bidirectional stream passes each message as it comes', async (t) => {
  const { shop } = await stage(t);
  const call = shop.chat();
  for (let count = 0; count < 5; count++) {
    const reply = once(call, 'data');
    call.write(`message ${count}`);
    assert.deepEqual(await reply, [`echo message ${count}`]);
  }
  const ended = once(call, 'status');
  call.resume().end();
  assert.equal((await ended)[0].code, status.OK);
});

test('many calls at once share sessions', async (t) => {
  const on = await stage(t);
  const texts = Array.from({ length: 300 }, (_, count) => `call${count}`);
  const replies = await Promise.all(texts.map((text) => unary(on, text)));
  assert.deepEqual(
    replies.map(({ text }) => text),
    texts.map((text) => text.toUpperCase()),
  );
});
