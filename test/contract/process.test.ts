import { createProcessDriver } from '../../lib/drivers/process/process.ts';
import { leaderOf } from '../helpers/processes.ts';
import { testDriver } from './driver-suite.ts';

let names = 0;

testDriver({
  title: 'the process driver',
  makeDriver: () => createProcessDriver({ command: '' }),
  freshName: () => `S${++names}`,
  kill: async (instance) => {
    process.kill(leaderOf(instance), 'SIGKILL');
  },
  hang: async (instance) => {
    process.kill(leaderOf(instance), 'SIGSTOP');
  },
  cleanUp: async () => {},
});
