import { before } from 'node:test';
import { testDriver } from '../contract/driver-suite.ts';
import { ensureReplicaImage } from '../helpers/docker/docker.ts';
import {
  cleanUp,
  ensureImageOnNodes,
  joinBridge,
  makeSwarmDriver,
  onInstance,
  SWARM_SPEC,
  skipSwarm,
} from '../helpers/swarm/swarm.ts';

before(async () => {
  if (skipSwarm !== undefined) return;
  await joinBridge();
  await ensureReplicaImage();
  await ensureImageOnNodes();
});

let names = 0;

testDriver({
  title: 'the swarm driver',
  skip: skipSwarm,
  spec: SWARM_SPEC,
  makeDriver: () => makeSwarmDriver(),
  freshName: () => `t${process.pid}-S${++names}`,
  kill: (instance) => onInstance(instance, 'kill', '--signal', 'KILL'),
  hang: (instance) => onInstance(instance, 'pause'),
  cleanUp,
});
