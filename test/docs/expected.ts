/**
 * Whether a command printed what its page shows: `…` stands for anything within a line, on a line of its own for any
 * lines, and what differs from run to run (times, ids, ports, durations) is left out on both sides.
 */

/** What differs from run to run, and what stands for it. */
const VOLATILE: readonly (readonly [RegExp, string])[] = [
  [/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME'],
  [/"(id|instance|requestId)":"[0-9a-z]+-[0-9a-z]+"/g, '"$1":ID'],
  [/"([a-zA-Z]*[mM]s)":[\d.]+/g, '"$1":N'],
  [/(x-ringlb-[a-z-]+-ms): [\d.]+/g, '$1: N'],
  [/(x-ringlb-replica|Server:|am) S\d+/g, '$1 S'],
  [/(x-ringlb-replica:) S\d+/g, '$1 S'],
  [/127\.0\.0\.1:\d{5}\b/g, 'ADDRESS'],
  [/\b\d+(\.\d+)?(ms|s)\b/g, 'DURATION'],
  [/\b\d+\/\d+\b/g, 'N/N'],
];

function plain(text: string, language: string): string {
  const joined = language === 'json' ? text.replace(/\n\s*/g, '') : text;
  const lines = VOLATILE.reduce((rest, [pattern, word]) => rest.replace(pattern, word), joined).split('\n');
  return lines
    .map((line) => line.trim().replace(/\s+/g, ' '))
    .filter((line) => line !== '')
    .map((line) => `${line}\n`)
    .join('');
}

/** The pattern of what a page shows. */
function patternOf(text: string, language: string): RegExp {
  const escaped = plain(text, language).replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  const anyLines = escaped.replace(/^…\n/gm, '(?:.*\\n)*?');
  return new RegExp(`^${anyLines.replaceAll('…', '.*?')}$`);
}

/** What is wrong with `printed`, or undefined. */
export function differenceFrom(
  { text, language }: { readonly text: string; readonly language: string },
  printed: string,
): string | undefined {
  if (patternOf(text, language).test(plain(printed, language))) return undefined;
  return `the page shows\n${plain(text, language)}and it printed\n${plain(printed, language)}`;
}
