import { createLogger, type RootLogger } from '../../lib/platform/log.ts';

export const silentLogger: RootLogger = createLogger('silent');
