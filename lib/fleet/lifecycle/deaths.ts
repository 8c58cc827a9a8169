/**
 * Records how instances ended that stood in a replica's place: in the journal, on the replica, and for the wait before the
 * next start.
 * Invariant: what can be found out of an ending takes a second at most, and nothing that serves waits for it.
 */
import type { Ending } from '../../core/ending.ts';
import type { InstanceLife } from '../../core/policy/backoff.ts';
import type { Driver } from '../../drivers/driver.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Logger } from '../../platform/log.ts';
import type { Journal } from '../journal.ts';
import type { End } from '../poison.ts';
import type { Registry } from '../registry.ts';
import type { Replica } from '../replica.ts';
import type { Launcher } from './launcher.ts';

export interface DeathsParts {
  readonly registry: Registry;
  readonly driver: Driver;
  readonly launcher: Launcher;
  readonly clock: Clock;
  readonly log: Logger;
  readonly journal: Journal;
  /** It is known how an instance ended that stood in a replica's place. */
  readonly onEnded: (end: End) => void;
  /** Each instance is a replica with a name of its own. */
  readonly classic: boolean;
}

/** The life of an instance that ended. */
interface Life extends Omit<InstanceLife, 'ending'> {
  /** How long its replica had been in the state in which it ended. */
  readonly stateMs: number;
}

/** What is known of a death when it is noticed. */
export interface Death {
  readonly replica: string;
  readonly generation: number;
  readonly instance: string | undefined;
  readonly hinted: Ending;
  readonly life: Life;
}

export class Deaths {
  readonly #parts: DeathsParts;

  constructor(parts: DeathsParts) {
    this.#parts = parts;
  }

  /** The death of the instance in the place, which is noticed now. */
  of(replica: Replica, hinted: Ending): Death {
    const { name, generation, instance } = replica;
    const life = this.lifeOf(replica);
    return { replica: name, generation, instance: instance?.instanceId, hinted, life };
  }

  /** The life of the instance in the place, which ends now. */
  lifeOf({ sinceMs, firstHealthyMs }: Replica): Life {
    const nowMs = this.#parts.clock.nowMs();
    const wasHealthy = firstHealthyMs !== undefined;
    return { stateMs: nowMs - sinceMs, wasHealthy, healthyMs: wasHealthy ? nowMs - firstHealthyMs : 0 };
  }

  /** Records an exit after which the deploy has put the instance before back in the place: there is no outage to heal. */
  recordFallBack(death: Death, place: Replica): void {
    const { journal } = this.#parts;
    const { replica, instance, generation, hinted } = death;
    this.note(death, hinted);
    journal.note({ kind: 'healthy', replica, instance: place.instance?.instanceId, cause: 'rolled back' });
    void this.#findEnding(instance, hinted).then((ending) => {
      this.#parts.onEnded({ replica, generation, ending });
      if (this.#parts.registry.has(place)) this.#parts.registry.states.recordEnding(place, ending);
    });
  }

  /** Finds out how an instance ended, in a second at most, and records it. */
  async recordExit(death: Death, place: Replica): Promise<void> {
    const { registry, launcher, log, classic, onEnded } = this.#parts;
    const { replica, instance, hinted, life, generation } = death;
    const ending = await this.#findEnding(instance, hinted);
    onEnded({ replica, generation, ending });
    if (!registry.has(place)) return;
    if (!classic) this.note(death, ending);
    if (ending.text !== hinted.text)
      log.warn({ replica, instance, cause: ending.text }, `${replica} ended (${ending.text})`);
    registry.states.recordEnding(place, ending);
    launcher.recordExit(place, { ...life, ending });
  }

  /** Enters a death in the journal. */
  note({ replica, instance, life: { stateMs: ms } }: Death, { text: cause }: Ending): void {
    if (instance !== undefined) this.#parts.journal.note({ kind: 'died', replica, instance, cause, ms });
  }

  /** How the instance ended, as the driver knows it in a second at most. */
  async #findEnding(instance: string | undefined, hinted: Ending): Promise<Ending> {
    if (instance === undefined || hinted.kind === 'removed') return hinted;
    return (await this.#parts.driver.endingOf(instance)) ?? hinted;
  }
}
