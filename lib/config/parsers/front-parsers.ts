/**
 * Parsers for the options of the front: TLS, rate limits and sticky cookies.
 */
import { isToken, TOKEN_CHAR } from '../../core/http-token.ts';
import { bad, ok, type ValueParser } from './value-parsers.ts';

/** `a.pem,b.pem`. */
export const files: ValueParser<readonly string[]> = {
  unit: 'list of files',
  separator: ',',
  read(value) {
    const names = value === '' ? [] : value.split(',').map((item) => item.trim());
    return names.includes('') ? bad('must be files separated by commas') : ok(names);
  },
};

/** `admin@shop.example`. */
export const email: ValueParser<string> = {
  unit: 'e-mail address',
  read: (value) =>
    value === '' || /^[^\s@,]+@[^\s@,]+$/.test(value) ? ok(value) : bad('must be one e-mail address'),
};

/** `https://acme.example/directory`. */
export const httpsUrl: ValueParser<string> = {
  unit: 'https URL',
  read(value) {
    const isUrl = URL.canParse(value) && new URL(value).protocol === 'https:';
    return isUrl ? ok(value) : bad('must be a URL that begins with https://');
  },
};

/** `off` as 'off', `on` as 'on', a port as its number. */
export const redirect: ValueParser<'on' | 'off' | number> = {
  unit: 'on, off or a port',
  bare: 'on',
  read(value) {
    if (value === 'on' || value === 'off') return ok(value);
    const number = /^\d{1,5}$/.test(value) ? Number(value) : 0;
    return number >= 1 && number <= 65_535 ? ok(number) : bad('must be on, off or a port from 1 to 65535');
  },
};

const SECONDS_PER_UNIT: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };
/** Maximum of requests per second: counting one costs a tenth of a microsecond, and the clock resolves finer than these follow. */
const MAX_PER_SECOND = 100_000;

/** `100/s`, `600/m`, `5000/h` as requests per second; 0 for off. */
export const rate: ValueParser<number> = {
  unit: '0, or a number a s, m or h',
  read(value) {
    if (value === '0') return ok(0);
    const parts = /^(\d{1,9})\/([smh])$/.exec(value);
    const perSecond = parts ? Number(parts[1]) / SECONDS_PER_UNIT[parts[2]!]! : 0;
    if (perSecond === 0) return bad('must be 0 (off) or a rate such as 100/s, 600/m or 5000/h');
    return perSecond <= MAX_PER_SECOND ? ok(perSecond) : bad(`must be at most ${MAX_PER_SECOND}/s`);
  },
};

const RATE_HEADER = new RegExp(`^header:(${TOKEN_CHAR}+)$`);

/** `client-ip` as '', `header:NAME` as the name in lower case. */
export const rateKey: ValueParser<string> = {
  unit: 'client-ip or header:NAME',
  read(value) {
    if (value === 'client-ip') return ok('');
    const name = RATE_HEADER.exec(value)?.[1];
    return name === undefined ? bad('must be client-ip or header:NAME') : ok(name.toLowerCase());
  },
};

/** `off` as '', and the name of a cookie as it is (RFC 6265 section 4.1.1). */
export const stickyName: ValueParser<string> = {
  unit: 'off or the name of a cookie',
  read(value) {
    if (value === 'off') return ok('');
    // whoever writes `on` wants sticky cookies, not one of that name
    const isName = isToken(value) && !/^(?:on|off|true|false|yes|no)$/i.test(value);
    return isName ? ok(value) : bad('must be off, or the name of a cookie such as ringlb');
  },
};

/** Clients see what is made of it, and could try short ones at their leisure. */
const MIN_SECRET = 16;

/** A secret that no client sends, so that any characters will do. */
export const secretText: ValueParser<string> = {
  unit: 'secret',
  isSecret: true,
  read(value) {
    if (value !== '' && value.length < MIN_SECRET) return bad(`must have ${MIN_SECRET} characters or more`);
    return ok(value);
  },
};
