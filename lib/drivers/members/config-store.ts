/**
 * Records of balancers as labels of Docker configs, which every manager of a Swarm has. A config has one label that is
 * renewed; whoever has lost its config makes another.
 */
import type { SwarmEngine } from '../swarm/swarm-engine.ts';
import { type MemberRecord, parseRecord, parseTurn, TURN_LABELS, textOf, turnName } from './record.ts';
import type { MemberStore, StoredRecord } from './store.ts';

const LABEL = 'ringlb.member';
const POOL = 'ringlb.members';

export function configStore(
  engine: Pick<SwarmEngine, 'configsWith' | 'createConfig' | 'updateConfig' | 'removeConfig'>,
  pool: string,
): MemberStore {
  const labelsOf = (record: MemberRecord) => ({ [POOL]: pool, [LABEL]: textOf(record) });
  return {
    async list() {
      const configs = await engine.configsWith(`${POOL}=${pool}`);
      return configs.flatMap(({ ID: key, Spec: { Labels: labels } }): readonly StoredRecord[] => {
        const record = parseRecord(labels[LABEL]);
        return record === undefined ? [] : [{ key, record }];
      });
    },
    async put(record) {
      const name = `ringlb-member-${pool}-${record.owner.token.slice(0, 8)}`;
      const isThere = record.number > 1 && (await engine.updateConfig(name, labelsOf(record)));
      if (!isThere) await engine.createConfig(name, labelsOf(record));
    },
    async turns(kind) {
      const configs = await engine.configsWith(`${POOL}=${pool}`);
      return configs.flatMap(({ ID: key, Spec: { Name: name, Labels: labels } }) =>
        parseTurn(name, labels[TURN_LABELS[kind]]).map((turn) => ({ ...turn, key })),
      );
    },
    putTurn: (kind, number, token) =>
      engine.createConfig(turnName(kind, pool, number), { [POOL]: pool, [TURN_LABELS[kind]]: token }),
    remove: (key) => engine.removeConfig(key),
  };
}
