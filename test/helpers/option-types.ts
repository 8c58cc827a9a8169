/** The types of the library's options, from the table of options: `npm run docs` writes them. */
import { libraryName } from '../../lib/compose/library/options.ts';
import { HEADINGS, KEYS, OPTIONS, type Option } from '../../lib/config/options.ts';

const HEAD = `/**
 * The options of \`startBalancer\`: those of the command line in camel case. Generated from the table of options by
 * \`npm run docs\`.
 */
export interface BalancerOptions {`;

/** What may be written for a value; the parser judges the rest. */
function typeOf({ separator, isPairs, read, default: standard }: Option<unknown>): string {
  if (isPairs) return 'Readonly<Record<string, string>> | readonly string[] | string';
  if (separator !== undefined) return 'readonly string[] | string';
  const parsed = read(standard);
  if ('value' in parsed && typeof parsed.value === 'boolean') return 'boolean';
  if ('value' in read('on') && 'value' in read('off') && !('value' in read('x'))) return 'boolean | string';
  return 'value' in parsed && typeof parsed.value === 'number' ? 'number | string' : 'string';
}

export function optionTypes(): string {
  const lines = KEYS.flatMap((key) => {
    const option: Option<unknown> = OPTIONS[key];
    const { flag, help, unit, default: standard } = option;
    const more = standard === '' ? unit : `${unit}; default ${standard}`;
    const heading = HEADINGS[key] === undefined ? [] : [`  // ${HEADINGS[key]}`];
    const text = `${help} (${more})`.replaceAll('*/', '* /');
    return [...heading, `  /** ${text} */`, `  readonly ${libraryName(flag)}?: ${typeOf(option)};`];
  });
  return `${[HEAD, ...lines, '}'].join('\n')}\n`;
}
