/**
 * Parsers for the options of what a replica is given, with the words and the syntax of Docker and compose.
 * Invariant: a parser is pure and never throws; it says what the text should have been.
 */
import { constants } from 'node:os';
import type { Pair, Secret, TmpfsMount, VolumeMount } from '../../core/replica-spec.ts';
import { quote } from '../suggest.ts';
import { bad, listOf, ok, type ParseResult, size, text, type ValueParser } from './value-parsers.ts';

/** What the balancer tells a replica by its environment. */
const OWN_VARIABLES: readonly string[] = ['PORT', 'SERVER_ID'];

/** An environment variable; without a value it is passed on from the balancer's own environment. */
export interface Variable {
  readonly name: string;
  readonly value: string | undefined;
}

/** One `NAME=VALUE` or `NAME`, or what is wrong with it. */
export function parseVariable(item: string): ParseResult<Variable> {
  const [, name = '', value] = /^([A-Za-z_][\w.-]*)(?:=([^\0]*))?$/.exec(item) ?? [];
  if (name === '') return bad('must be NAME=VALUE, or NAME to pass on the variable of the balancer');
  if (name.startsWith('LB_')) return bad(`must not set ${name}: LB_ variables are options of the balancer`);
  if (OWN_VARIABLES.includes(name)) return bad(`must not set ${name}, which the balancer sets`);
  return ok({ name, value });
}

/** `NAME=VALUE`; a value may be secret, so it is never repeated. */
export const variables = listOf<Variable>({
  unit: 'NAME=VALUE',
  isSecret: true,
  isPairs: true,
  read: parseVariable,
});

export const variableFiles = listOf(text('file', /^[^\0]+$/, 'must be a file'));

const VOLUME_NAME = /^[A-Za-z0-9][\w.-]+$/;
const TEMPLATES = /\{(?:name|index|port)\}/g;
/** The text with templates replaced by something that is valid wherever a name is. */
const withoutTemplates = (text: string): string => text.replace(TEMPLATES, 'x1');

/** An absolute path in the container, but not its root. */
const isTarget = (path: string): boolean => /^\/[^\0:]*[^/\0:][^\0:]*$/.test(path);

/** `SRC:DST[:ro]`: a volume by its name, or a path by its slash or dot. */
export const volumes: ValueParser<readonly VolumeMount[]> = listOf({
  unit: 'SRC:DST[:ro]',
  read(item) {
    const [source = '', target = '', mode = 'rw', ...rest] = item.split(':');
    const isPath = /^(\/|\.{1,2}(\/|$))/.test(source);
    const isSource = isPath || VOLUME_NAME.test(withoutTemplates(source));
    if (!isSource || !isTarget(target) || !['ro', 'rw'].includes(mode) || rest.length > 0)
      return bad('must be SRC:DST or SRC:DST:ro, SRC a volume or a path, DST an absolute path');
    return ok({ source, target, isReadOnly: mode === 'ro' });
  },
});

/** Size of a file system in memory that says none. */
const TMPFS_BYTES = 64 * 1024 ** 2;
const tmpfsSize = size(4096, Number.MAX_SAFE_INTEGER);
const TMPFS_OPTION = /^(?:exec|noexec|mode=[0-7]{3,4}|uid=\d{1,9}|gid=\d{1,9})$/;

/** `DST`, `DST:16m` or with options as Docker has them: `DST:size=16m,exec,mode=1777`. */
export const tmpfsMounts: ValueParser<readonly TmpfsMount[]> = listOf({
  unit: 'DST[:SIZE]',
  read(item) {
    const [target = '', given = '', ...rest] = item.split(':');
    if (!isTarget(target) || rest.length > 0) return bad('must be DST or DST:SIZE, DST an absolute path');
    let bytes = TMPFS_BYTES;
    const options: string[] = [];
    for (const word of given === '' ? [] : given.split(',')) {
      const parsed = tmpfsSize.read(word.replace(/^size=/, ''));
      if ('value' in parsed) bytes = parsed.value;
      else if (TMPFS_OPTION.test(word)) options.push(word);
      else return bad(`must have a size, exec, mode, uid or gid behind the colon (see ${quote(word)})`);
    }
    return ok({ target, bytes, options });
  },
});

/** Less does not hold the runtime of a container. */
const LEAST_MEMORY = 6 * 1024 ** 2;
const memorySize = size(LEAST_MEMORY, Number.MAX_SAFE_INTEGER);

/** `512m`; 0 is unlimited, and '' is the driver's default. */
export const memory: ValueParser<number | undefined> = {
  unit: 'size',
  read(item) {
    if (item === '') return ok(undefined);
    return item === '0' ? ok(0) : memorySize.read(item);
  },
};

/** `1.5`; 0 is unlimited. */
export const cpuCount: ValueParser<number> = {
  unit: 'number',
  read(item) {
    const value = /^\d{1,4}(\.\d{1,3})?$/.test(item) ? Number(item) : Number.NaN;
    return value === 0 || value >= 0.01
      ? ok(value)
      : bad('must be a number of CPUs such as 1.5, at least 0.01');
  },
};

export const user = text(
  'user[:group]',
  /^(?:(?:[A-Za-z_][\w.-]*|\d{1,10})(?::(?:[A-Za-z_][\w.-]*|\d{1,10}))?)?$/,
  'must be a user of the image or its number, with a group if any, such as www-data or 1000:1000',
);

/** `NAME=VALUE`, but for the balancer's own labels. */
export const labels: ValueParser<readonly Pair[]> = listOf({
  unit: 'NAME=VALUE',
  isPairs: true,
  read(item) {
    const [, name = '', value = ''] = /^([A-Za-z0-9][\w./-]*)(?:=([^\0]*))?$/.exec(item) ?? [];
    if (name === '') return bad('must be NAME=VALUE');
    return name.startsWith('ringlb.')
      ? bad('must not begin with ringlb., which the balancer sets')
      : ok([name, value]);
  },
});

const SIGNALS = new Map(Object.entries(constants.signals));

/** `SIGQUIT`, `QUIT` or `3` as `SIGQUIT`; '' is the default. */
export const signal: ValueParser<string> = {
  unit: 'signal',
  read(item) {
    if (item === '') return ok('');
    const name = `SIG${item.toUpperCase().replace(/^SIG/, '')}`;
    if (SIGNALS.has(name)) return ok(name);
    const [known] = [...SIGNALS].find(([, number]) => String(number) === item) ?? [];
    return known === undefined ? bad('must be a signal such as SIGQUIT') : ok(known);
  },
};

/** `NAME=FILE`. */
export const secrets: ValueParser<readonly Secret[]> = listOf({
  unit: 'NAME=FILE',
  isPairs: true,
  read(item) {
    const [, name = '', file = ''] = /^([A-Za-z0-9_][\w.-]*)=([^\0]+)$/.exec(item) ?? [];
    return name === '' ? bad('must be NAME=FILE') : ok({ name, file });
  },
});

/** A word of a command: plain characters, escaped ones, and quoted parts. */
const WORD = /(?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+/sy;
const PART = /\\(.)|'([^']*)'|"((?:[^"\\]|\\.)*)"/gs;

/** Words split as a shell does, without any expansion: `nginx -g 'daemon off;'`. */
export const commandWords: ValueParser<readonly string[]> = {
  unit: 'words',
  read(line) {
    const words: string[] = [];
    for (let at = line.search(/\S|$/); at < line.length; ) {
      WORD.lastIndex = at;
      const word = WORD.exec(line)?.[0];
      if (word === undefined) return bad('must have matching quotes');
      words.push(
        word.replace(
          PART,
          (_, escaped?: string, single?: string, double?: string) =>
            escaped ?? single ?? (double ?? '').replace(/\\(["\\$`])/g, '$1'),
        ),
      );
      at += word.length;
      at += line.slice(at).search(/\S|$/);
    }
    return ok(words);
  },
};
