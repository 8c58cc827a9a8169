/**
 * The line that says why a program ended, out of the last of what it wrote. Pure.
 * The header of the last uncaught exception, with its cause; else the first of the last lines in a row that speak of
 * an error, since what follows is mostly the consequence; else the last line. Text for people: nothing may be decided
 * on it.
 */
import { stripVTControlCharacters } from 'node:util';

const MAX_LINE = 200;

/** Parts of a crash report that say nothing by themselves. */
const NOISE: readonly RegExp[] = [
  // stack frames of JavaScript, Java, .NET; of Ruby; of Java, shortened
  /^\s+at\s/,
  /^\s+from\s/,
  /^\s*\.\.\. \d+ (?:more|lines)/,
  // Node.js: where it was thrown
  /^node:\S+:\d+$/,
  /^\s*throw .*;(?:\s*\/\/.*)?$/,
  /^Emitted 'error' event on /,
  /^Node\.js v\d/,
  /^\(Use `node --trace-/,
  // Go
  /^goroutine \d+ \[/,
  /^exit status \d+$/,
  // Rust
  /^note: run with `RUST_BACKTRACE/,
  // npm, which ends with what it runs
  /^npm (?:ERR!|error|notice|warn)/i,
];

/** The header of what a runtime writes of an exception that nobody caught. */
const HEADER: readonly RegExp[] = [
  // `TypeError: …`, `java.net.BindException: …`, `Uncaught Error: …`, `AssertionError [ERR_X]: …`
  /^(?:Uncaught )?[\w.$]*(?:Error|Exception|Exit|Interrupt|Rejection)(?: \[\w+\])?(?::\s|$)/,
  /^Exception in thread /,
  /^Unhandled exception/i,
  /^(?:PHP )?Fatal error: /i,
  /^(?:\S+ )?FATAL ERROR: /,
  /^panic: /,
  /^terminate called/,
];
/** Under a line of source, before the header of an exception of any name. */
const POINTER = /^[\s~]*\^[\s~^]*$/;
const TRACEBACK = /^Traceback \(most recent call last\):/;
const PANICKED = /^thread .* panicked at .*:$/;
const CAUSE = /^\s*(?:Caused by|\[cause\]): /;
const REJECTION = /^(UnhandledPromiseRejection: ).* rejected with the reason "(.*)"\.$/;

/** Words by which a line of a log tells of an error. */
const TELLING =
  /error|exception|fatal|panic|emerg|critical|denied|refused|not found|not permitted|no such|cannot|can['’]t|could ?n[o']t|unable|fail|invalid|unknown|missing|required|in use|abort/i;

/** One line for a person, '' where nothing was written; what is on stderr comes before what is on stdout. */
export function tellingLine(stderr: string, stdout: string): string {
  const [errors, output] = [linesOf(stderr), linesOf(stdout)];
  const line =
    exceptionIn(errors) ??
    exceptionIn(output) ??
    firstOfLastRun(errors) ??
    firstOfLastRun(output) ??
    errors.at(-1) ??
    output.at(-1) ??
    '';
  return shortened(line.trim());
}

/** Indented as they are, without what a terminal would obey. */
function linesOf(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => stripVTControlCharacters(line).trimEnd())
    .filter((line) => line !== '' && !NOISE.some((noise) => noise.test(line)))
    .map((line) => line.replace(/[\p{Cc}\s]+/gu, ' '));
}

/** The header of the last exception, and what caused it. */
function exceptionIn(lines: readonly string[]): string | undefined {
  const at = lines.findLastIndex((line, index) => isHeader(line, lines[index - 1]));
  if (at === -1) return undefined;
  const header = lines[at]!;
  const after = lines.slice(at + 1);
  // Python comes to it last
  if (TRACEBACK.test(header)) return after.find((line) => !line.startsWith(' ')) ?? header;
  if (REJECTION.test(header)) return header.replace(REJECTION, '$1$2');
  if (PANICKED.test(header) && after.length > 0) return `${header} ${after[0]!.trim()}`;
  // C++ says what it was on the next line
  if (after[0]?.startsWith(' what(): ')) return `${header}${after[0]}`;
  const cause = after.findLast((line) => CAUSE.test(line))?.replace(CAUSE, '');
  // with fields of its own it is in brackets
  return cause === undefined ? header : `${header} (cause: ${cause.replace(/^\[(.*)\](?: \{)?$/, '$1')})`;
}

function isHeader(line: string, before: string | undefined): boolean {
  if (TRACEBACK.test(line) || PANICKED.test(line)) return true;
  // frames in Python's reports have pointers too
  if (before !== undefined && POINTER.test(before)) return !line.startsWith(' ');
  return HEADER.some((header) => header.test(line));
}

/** The first of the last lines in a row that speak of an error. */
function firstOfLastRun(lines: readonly string[]): string | undefined {
  const last = lines.findLastIndex((line) => TELLING.test(line));
  if (last === -1) return undefined;
  const before = lines.slice(0, last).findLastIndex((line) => !TELLING.test(line));
  return lines[before + 1];
}

function shortened(line: string): string {
  return line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)}…` : line;
}
