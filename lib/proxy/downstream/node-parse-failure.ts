/** What a client is told whose bytes Node's own HTTP parser has refused. */
import { TOKEN_CHAR } from '../../core/http-token.ts';
import { BalancerError, errnoOf } from '../../platform/errors.ts';

/** Node's error for bytes that its parser has refused. */
export interface ParseError extends Error {
  readonly reason?: string;
  readonly rawPacket?: Buffer;
}

/** The reason that Node's parser gives for a well-formed version that it does not know. */
const UNKNOWN_VERSION = 'Invalid HTTP version';
const LF = 10;
/** The beginning of a request line. */
const METHOD = new RegExp(`^${TOKEN_CHAR}+ `);

/** The failure that a client gets for bytes that Node's parser has refused. */
export function parseFailure(error: ParseError, maxTargetBytes: number): BalancerError {
  switch (errnoOf(error)) {
    case 'HPE_HEADER_OVERFLOW': {
      // only a packet that begins with a request line shows which limit it was
      if (error.rawPacket === undefined || !METHOD.test(error.rawPacket.toString('latin1', 0, 64)))
        return new BalancerError('head-too-large');
      const firstLine = error.rawPacket.indexOf(LF);
      return new BalancerError(
        firstLine < 0 || firstLine > maxTargetBytes ? 'target-too-long' : 'head-too-large',
      );
    }
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new BalancerError('request-timeout');
    // HTTP/2 with prior knowledge, whose preface looks like a request
    case 'HPE_PAUSED_H2_UPGRADE':
      return new BalancerError('http-version');
    case 'HPE_INVALID_VERSION':
      if (error.reason !== UNKNOWN_VERSION) break;
      return new BalancerError('http-version');
    case 'HPE_INVALID_METHOD':
      if (error.rawPacket !== undefined && METHOD.test(error.rawPacket.toString('latin1', 0, 64)))
        return new BalancerError('not-implemented', 'The method is not known');
      break;
  }
  return new BalancerError(
    'bad-request',
    `The request is not HTTP/1.1${error.reason ? `: ${error.reason}` : ''}`,
  );
}
