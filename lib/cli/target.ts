/**
 * Which balancer a command addresses, and with which token: from flags, else from the balancer's own environment
 * variables.
 */
import type { Environment } from '../config/config.ts';
import { environmentName, type Key, OPTIONS } from '../config/options.ts';
import { readSecretFile } from '../config/secret-file.ts';
import { quote } from '../config/suggest.ts';
import { type CommandOption, wrongUsage } from './usage.ts';

export interface Target {
  /** Without a trailing slash. */
  readonly url: string;
  /** '' for none. */
  readonly token: string;
}

type Flags = (option: string) => string | undefined;

const KEYS = ['adminHost', 'adminPort', 'adminToken', 'adminTokenFile'] as const satisfies readonly Key[];
type TargetKey = (typeof KEYS)[number];

/** The options that locate a balancer; those of the option table mean the same as for the balancer. */
export const TARGET_OPTIONS: Readonly<Record<string, CommandOption>> = {
  url: { type: 'string', unit: 'URL', help: 'URL of the admin port, in place of host and port' },
  [OPTIONS.adminHost.flag]: {
    type: 'string',
    unit: 'address',
    help: 'address of the admin port; 127.0.0.1 by default',
  },
  [OPTIONS.adminPort.flag]: { type: 'string', unit: 'port', help: 'the admin port; 5001 by default' },
  [OPTIONS.adminToken.flag]: {
    type: 'string',
    unit: 'token',
    help: 'token, if the balancer requires one',
  },
  [OPTIONS.adminTokenFile.flag]: { type: 'string', unit: 'file', help: 'file that contains the token' },
};

/** The target; throws CommandError if a value is invalid or two conflict. */
export function targetOf(flags: Flags, environment: Environment): Target {
  return { url: urlOf(flags, environment), token: tokenOf(flags, environment) };
}

/** The text of an option, and the flag or variable it came from. */
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

/** The value of an option, or its default. */
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
    const port = settingOf('adminPort', flags, environment);
    // Node.js would connect to port 80
    if (Number(port) === 0) {
      const source = given('adminPort', flags, environment);
      wrongUsage(`${source?.name} must be the port that the balancer chose, which its log says, not 0`);
    }
    return `http://${addressOf(host)}:${port}`;
  }
  for (const { flag } of [OPTIONS.adminHost, OPTIONS.adminPort]) {
    if (flags(flag) !== undefined) wrongUsage(`--url and --${flag} do not go together`);
  }
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const isPlain =
    parsed?.search === '' && parsed.hash === '' && parsed.username === '' && parsed.port !== '0';
  if (!isPlain || !/^https?:$/.test(parsed.protocol)) {
    return wrongUsage(`--url must be a URL such as http://127.0.0.1:5001, not ${quote(url)}`);
  }
  return parsed.href.replace(/\/+$/, '');
}

/** The address at which a client reaches what is bound to `host`. */
function addressOf(host: string): string {
  if (host === '' || host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

/** A flag for either of the two options beats the environment for both. */
function tokenOf(flags: Flags, environment: Environment): string {
  const isByFlag = [OPTIONS.adminToken, OPTIONS.adminTokenFile].some(({ flag }) => flags(flag) !== undefined);
  const from = isByFlag ? {} : environment;
  const token = given('adminToken', flags, from);
  const file = given('adminTokenFile', flags, from);
  if (token !== undefined && file !== undefined)
    wrongUsage(`${token.name} and ${file.name} are both given; give one`);
  if (file === undefined) return settingOf('adminToken', flags, from);
  const read = readSecretFile(file.text, OPTIONS.adminToken);
  return 'value' in read ? read.value : wrongUsage(`${file.name} ${read.problem}`);
}
