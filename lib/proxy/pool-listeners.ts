/** What the control plane is told by the data plane. Types only. */
import type { Loss, Settlement } from '../core/policy/poison.ts';
import type { Evidence } from './worker-protocol.ts';

/** Judges requests on which instances end. */
export interface PoisonJudge {
  recordLoss(loss: Loss): void;
  recordSettlement(settlement: Settlement): void;
  judge(generations: readonly number[], onVerdict: (isPoison: boolean) => void): void;
}

/** Called with what the workers find. */
export interface PoolListeners {
  /** Takes lines of the access log; `onDone` is to be called when they are written, or never will be. */
  readonly onLog: (text: string, lines: number, onDone: () => void) => void;
  readonly judge: PoisonJudge;
  /** A request failed on the replica of this ordinal, when its state word was `word`. */
  readonly onReport: (ordinal: number, word: number, code: Evidence) => void;
  /** A worker died whose sockets nobody can open again, since they were passed to this process. */
  readonly onSocketsLost: () => void;
}
