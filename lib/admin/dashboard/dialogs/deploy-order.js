/** The body of a deploy from the fields of its dialog. It runs without a document. */

/** @typedef {{ readonly order: object, readonly problem?: undefined } | { readonly order?: undefined, readonly problem: string }} Order */

/**
 * Fields that are empty are left to the balancer. What a value may be is for the balancer to judge.
 * @param {Readonly<Record<string, string>>} fields
 * @returns {Order}
 */
export function orderOf({ kind, image = '', command = '', env = '', batch = '', watch = '', errors = '' }) {
  const limits = {
    ...(batch !== '' && { batch: Number(batch) }),
    ...(watch.trim() !== '' && { watch: watch.trim() }),
    ...(errors !== '' && { maxErrorRate: Number(errors) / 100 }),
  };
  if (kind === 'restart' || kind === 'resume') return { order: { [kind]: true, ...limits } };
  const lines = env.split('\n').filter((line) => line.trim() !== '');
  const broken = lines.find((line) => line.indexOf('=') < 1);
  // its value may be secret, so it is not repeated
  if (broken !== undefined) return { problem: 'Each line of variables must be NAME=VALUE.' };
  const variables = lines.map((line) => [
    line.slice(0, line.indexOf('=')).trim(),
    line.slice(line.indexOf('=') + 1),
  ]);
  const change = {
    ...(image.trim() !== '' && { image: image.trim() }),
    ...(command.trim() !== '' && { command: command.trim() }),
    ...(variables.length > 0 && { env: Object.fromEntries(variables) }),
  };
  if (Object.keys(change).length === 0)
    return { problem: 'Say what is different in the new version, or choose a restart.' };
  return { order: { ...change, ...limits } };
}
