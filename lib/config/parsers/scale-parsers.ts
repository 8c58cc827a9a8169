/** Parsers for the options of autoscaling. */
import { MAX_WINDOW_MS } from '../../core/policy/autoscale.ts';
import { bad, duration, type ValueParser, whole } from './value-parsers.ts';

/** In place of a minimum where none is given. */
export const NO_MINIMUM = -1;

/** A number of replicas, or none. */
export const scaleMin: ValueParser<number> = {
  unit: '0 to 1024',
  read: (text) => (text === '' ? { value: NO_MINIMUM } : whole(0, 1024).read(text)),
};

/** Means and maxima are taken of one value a second. */
export const scaleWindow: ValueParser<number> = {
  unit: 'duration',
  read(text) {
    const read = duration('above zero').read(text);
    if ('problem' in read || (read.value >= 1000 && read.value <= MAX_WINDOW_MS)) return read;
    return bad('must be from 1s to 1h');
  },
};
