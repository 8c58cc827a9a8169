/**
 * First values of fields that come to hold fractions.
 *
 * To V8 a field whose first value is a whole number is one of whole numbers, and its first fraction throws all code away
 * that was compiled for objects of its kind. Where those are requests that is the whole data path, at the first
 * request that has to wait: under a load that is too much already. These two are doubles from the beginning.
 */

/** Zero, as a double: its sign is lost with the first addition, and in every text. */
export const ZERO: number = -0;

/** Before any time. */
export const NEVER: number = Number.NEGATIVE_INFINITY;
