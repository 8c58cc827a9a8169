/**
 * Ends a data thread of a running balancer from outside, through node's own inspector: the balancer has to be
 * started with `--inspect=127.0.0.1:0`. Must not hold: assertions.
 */
import { once } from 'node:events';
import { eventually } from '../helpers/eventually.ts';

interface Message {
  readonly method?: string;
  readonly params?: { readonly sessionId: string; readonly workerInfo: { readonly title: string } };
}

/** Makes the first data thread call `process.exit`; `stderr` gives what the balancer has written so far. */
export async function endDataThread(stderr: () => string): Promise<void> {
  const address = await eventually(
    'the address of the inspector',
    () => /Debugger listening on (ws:\S+)/.exec(stderr())?.[1],
  );
  const inspector = new WebSocket(address);
  const workers: string[] = [];
  inspector.addEventListener('message', ({ data }: { readonly data: unknown }) => {
    const { method, params } = JSON.parse(String(data)) as Message;
    if (method === 'NodeWorker.attachedToWorker') workers.push(params!.sessionId);
  });
  await once(inspector, 'open');
  const send = (id: number, method: string, params: unknown) =>
    inspector.send(JSON.stringify({ id, method, params }));
  send(1, 'NodeWorker.enable', { waitForDebuggerOnStart: false });
  const sessionId = await eventually('a data thread', () => workers[0]);
  const message = JSON.stringify({
    id: 1,
    method: 'Runtime.evaluate',
    params: { expression: 'process.exit(1)' },
  });
  send(2, 'NodeWorker.sendMessageToWorker', { sessionId, message });
  await eventually('the end of the data thread', () => stderr().includes('data thread died'));
  inspector.close();
}
