import { createProcessDriver } from '../../lib/drivers/process/process.ts';
import { noOutput } from '../helpers/no-output.ts';
import { leaderOf } from '../helpers/processes.ts';
import { specWith, withSpec } from '../helpers/replica-spec.ts';
import { testDriver } from './driver-suite.ts';

let names = 0;

testDriver({
  title: 'the process driver',
  spec: specWith(),
  makeDriver: () => withSpec(createProcessDriver({ spec: specWith(), openOutput: noOutput }), specWith()),
  freshName: () => `S${++names}`,
  kill: async (instance) => {
    process.kill(leaderOf(instance), 'SIGKILL');
  },
  hang: async (instance) => {
    process.kill(leaderOf(instance), 'SIGSTOP');
  },
  cleanUp: async () => {},
});
