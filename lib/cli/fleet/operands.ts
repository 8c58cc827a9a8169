/**
 * Names of replicas as they are typed, judged before they are sent: the balancer's errors speak of the JSON that it got.
 */
import { quote } from '../../config/suggest.ts';
import { isReplicaName, isReplicaNameOrAddress, NAME_SHAPE } from '../../core/replica.ts';
import { wrongUsage } from '../usage.ts';

/** Each once; throws CommandError otherwise. */
export function replicaNames(words: readonly string[]): readonly string[] {
  return judged(words, isReplicaName, NAME_SHAPE);
}

/** As `replicaNames`, or addresses of fixed servers. */
export function serverNames(words: readonly string[]): readonly string[] {
  return judged(words, isReplicaNameOrAddress, `${NAME_SHAPE}, or HOST:PORT`);
}

function judged(
  words: readonly string[],
  isName: (word: string) => boolean,
  shape: string,
): readonly string[] {
  const wrong = words.find((word) => !isName(word));
  if (wrong !== undefined) wrongUsage(`${quote(wrong)} is no name of a replica: ${shape}`);
  const twice = words.find((word, index) => words.indexOf(word) < index);
  if (twice !== undefined) wrongUsage(`${quote(twice)} is named twice`);
  return words;
}
