/** A program in which one request waits for a replica and another for a connection, and both are answered. */
import { eventually } from '../helpers/eventually.ts';
import { get } from '../helpers/proxy/message.ts';
import { Rig } from '../helpers/proxy/rig.ts';

const rig = await Rig.open({ after: () => {} }, { maxInFlight: 1 });
const [first, second] = [await rig.client(), await rig.client()];
first.send(get('/'));
await eventually('the first to be in flight', () => rig.inFlight === 1);
second.send(get('/'));
await eventually('the second to wait', () => rig.waiting === 1);
rig.replica.serve();
for (const client of [first, second]) await client.response();
rig.advance(1000);
await rig.settled();
await rig.close();
