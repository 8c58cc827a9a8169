import type { OpenOutput } from '../../lib/drivers/driver.ts';

/** For drivers in tests that do not look at what instances print. */
export const noOutput: OpenOutput = () => ({ write: () => {}, end: () => {} });
