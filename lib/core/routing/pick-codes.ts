/** What a pick gives in place of an ordinal; all are below every ordinal. */

/** No replica is eligible (or all that are were tried). */
export const NONE_ELIGIBLE = -1;
/** Some are eligible, and each of them holds as many requests as it may. */
export const ALL_FULL = -2;
