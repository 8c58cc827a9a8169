/**
 * Which balancer a command is for, and the token to show it: from flags, else from the environment, which is that of
 * the balancer itself. Must not hold: talking to it (`admin-client.ts`).
 */
import type { Environment } from '../config/config.ts';
import { environmentName, type Key, OPTIONS } from '../config/options.ts';
import { quote } from '../config/suggest.ts';
import { readTokenFile } from '../config/token-file.ts';
import { type CommandOption, wrongUsage } from './usage.ts';

export interface Target {
  /** Without a slash at its end. */
  readonly url: string;
  /** '' for none. */
  readonly token: string;
}

type Flags = (option: string) => string | undefined;

const KEYS = ['adminHost', 'adminPort', 'adminToken', 'adminTokenFile'] as const satisfies readonly Key[];
type TargetKey = (typeof KEYS)[number];

/** The options that say where a balancer is; those of the table mean what they mean to the balancer. */
export const TARGET_OPTIONS: Readonly<Record<string, CommandOption>> = {
  url: { type: 'string', unit: 'URL', help: 'the admin port as a URL, in place of host and port' },
  [OPTIONS.adminHost.flag]: {
    type: 'string',
    unit: 'address',
    help: 'where the admin port is; 127.0.0.1 if not given',
  },
  [OPTIONS.adminPort.flag]: { type: 'string', unit: 'port', help: 'the admin port; 5001 if not given' },
  [OPTIONS.adminToken.flag]: {
    type: 'string',
    unit: 'token',
    help: 'the token, where the balancer wants one',
  },
  [OPTIONS.adminTokenFile.flag]: { type: 'string', unit: 'file', help: 'the file that holds the token' },
};

/** The target; throws CommandError where a value is wrong or two do not go together. */
export function targetOf(flags: Flags, environment: Environment): Target {
  return { url: urlOf(flags, environment), token: tokenOf(flags, environment) };
}

/** The text of an option and what it was called. */
function given(
  key: TargetKey,
  flags: Flags,
  environment: Environment,
): { readonly name: string; readonly text: string } | undefined {
  const { flag } = OPTIONS[key];
  const name = environmentName(flag);
  const fromFlag = flags(flag);
  if (fromFlag !== undefined) return { name: `--${flag}`, text: fromFlag };
  const text = environment[name] ?? '';
  return text === '' ? undefined : { name, text };
}

/** The value of an option, the default where it is not given. */
function settingOf(key: TargetKey, flags: Flags, environment: Environment): string {
  const option = OPTIONS[key];
  const source = given(key, flags, environment);
  const read = option.read(source?.text ?? option.default);
  if ('value' in read) return String(read.value);
  const shown = option.isSecret ? '' : `, not ${quote(source?.text ?? '')}`;
  return wrongUsage(`${source?.name} ${read.problem}${shown}`);
}

function urlOf(flags: Flags, environment: Environment): string {
  const url = flags('url');
  if (url === undefined) {
    const host = settingOf('adminHost', flags, environment);
    return `http://${addressOf(host)}:${settingOf('adminPort', flags, environment)}`;
  }
  for (const { flag } of [OPTIONS.adminHost, OPTIONS.adminPort]) {
    if (flags(flag) !== undefined) wrongUsage(`--url and --${flag} do not go together`);
  }
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const isPlain = parsed?.search === '' && parsed.hash === '' && parsed.username === '';
  if (!isPlain || !/^https?:$/.test(parsed.protocol)) {
    return wrongUsage(`--url must be a URL such as http://127.0.0.1:5001, not ${quote(url)}`);
  }
  return parsed.href.replace(/\/+$/, '');
}

/** Where a client reaches what is bound to this address. */
function addressOf(host: string): string {
  if (host === '' || host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

/** A flag beats the environment, whichever of the two options it is. */
function tokenOf(flags: Flags, environment: Environment): string {
  const isByFlag = [OPTIONS.adminToken, OPTIONS.adminTokenFile].some(({ flag }) => flags(flag) !== undefined);
  const from = isByFlag ? {} : environment;
  const token = given('adminToken', flags, from);
  const file = given('adminTokenFile', flags, from);
  if (token !== undefined && file !== undefined)
    wrongUsage(`${token.name} and ${file.name} are both given; give one`);
  if (file === undefined) return settingOf('adminToken', flags, from);
  const read = readTokenFile(file.text);
  return 'value' in read ? read.value : wrongUsage(`${file.name} ${read.problem}`);
}
