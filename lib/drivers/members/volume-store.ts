/**
 * Records of balancers as labels of volumes on a Docker engine. Labels of a volume never change, so each renewal is a
 * volume of its own, and the one before is removed.
 */
import type { DockerEngine } from '../docker/engine.ts';
import { poolLabel, poolLabels } from '../docker/mapper.ts';
import { parseRecord, parseTurn, TURN_LABELS, textOf, turnName } from './record.ts';
import type { MemberStore, StoredRecord } from './store.ts';

const LABEL = 'ringlb.member';

export function volumeStore(
  engine: Pick<DockerEngine, 'volumesWith' | 'createVolume' | 'removeVolume'>,
  pool: string,
): MemberStore {
  return {
    async list() {
      const volumes = await engine.volumesWith(poolLabel(pool));
      return volumes.flatMap(({ Name: key, Labels: labels }): readonly StoredRecord[] => {
        const record = parseRecord(labels?.[LABEL]);
        return record === undefined ? [] : [{ key, record }];
      });
    },
    async put(record) {
      const name = `ringlb-member-${pool}-${record.owner.token.slice(0, 8)}-${record.number}`;
      await engine.createVolume(name, { ...poolLabels(pool), [LABEL]: textOf(record) });
    },
    async turns(kind) {
      const volumes = await engine.volumesWith(poolLabel(pool));
      return volumes.flatMap(({ Name: key, Labels: labels }) => parseTurn(key, labels?.[TURN_LABELS[kind]]));
    },
    async putTurn(kind, number, token) {
      // of two that create a volume under one name the first one's labels stay
      const labels = { ...poolLabels(pool), [TURN_LABELS[kind]]: token };
      await engine.createVolume(turnName(kind, pool, number), labels);
    },
    remove: (key) => engine.removeVolume(key),
  };
}
