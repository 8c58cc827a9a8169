import { before } from 'node:test';
import {
  cleanUp,
  docker,
  ensureReplicaImage,
  freshName,
  makeDriver,
  pause,
  REPLICA_IMAGE,
  skipDocker,
} from '../helpers/docker/docker.ts';

import { specWith } from '../helpers/replica-spec.ts';
import { testDriver } from './driver-suite.ts';

before(async () => {
  if (skipDocker === undefined) await ensureReplicaImage();
});

testDriver({
  title: 'the docker driver',
  spec: specWith({ image: REPLICA_IMAGE }),
  skip: skipDocker,
  makeDriver: () => makeDriver(),
  freshName,
  kill: async (instance) => {
    await docker('kill', '--signal', 'KILL', instance.instanceId);
  },
  hang: (instance) => pause(instance.instanceId),
  cleanUp,
});
