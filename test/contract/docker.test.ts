import { before } from 'node:test';
import {
  cleanUp,
  docker,
  ensureReplicaImage,
  freshName,
  makeDriver,
  pause,
  skipDocker,
} from '../helpers/docker/docker.ts';
import { testDriver } from './driver-suite.ts';

before(async () => {
  if (skipDocker === undefined) await ensureReplicaImage();
});

testDriver({
  title: 'the docker driver',
  skip: skipDocker,
  makeDriver: () => makeDriver(),
  freshName,
  kill: async (instance) => {
    await docker('kill', '--signal', 'KILL', instance.instanceId);
  },
  hang: (instance) => pause(instance.instanceId),
  cleanUp,
});
