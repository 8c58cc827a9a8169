/**
 * Picks the one line of a program's last output that says why it ended: the header of the last uncaught exception,
 * with its cause; else the first line of the last block that mentions an error, since what follows is mostly a
 * consequence; else the last line.
 * Pure, and for people only: no decision may rest on it.
 */
import { stripVTControlCharacters } from 'node:util';

const MAX_LINE = 200;

/** Lines of a crash report that explain nothing by themselves. */
const NOISE: readonly RegExp[] = [
  // stack frames of JavaScript, Java and .NET; of Ruby; omitted frames of Java
  /^\s+at\s/,
  /^\s+from\s/,
  /^\s*\.\.\. \d+ (?:more|lines)/,
  // Node.js: the place of the throw
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
  // npm, which exits after the script that it ran
  /^npm (?:ERR!|error|notice|warn)/i,
];

/** The header of a runtime's report of an uncaught exception. */
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
/** The marker under a line of source; the header of an exception follows, whatever its name. */
const POINTER = /^[\s~]*\^[\s~^]*$/;
const TRACEBACK = /^Traceback \(most recent call last\):/;
const PANICKED = /^thread .* panicked at .*:$/;
const CAUSE = /^\s*(?:Caused by|\[cause\]): /;
const REJECTION = /^(UnhandledPromiseRejection: ).* rejected with the reason "(.*)"\.$/;

/** Words that mark a log line as an error. */
const TELLING =
  /error|exception|fatal|panic|emerg|critical|denied|refused|not found|not permitted|no such|cannot|can['’]t|could ?n[o']t|unable|fail|invalid|unknown|missing|required|in use|abort/i;

/** One line for a person, '' where nothing was written; stderr is preferred to stdout. */
export function crashLine(stderr: string, stdout: string): string {
  const [errors, output] = [linesOf(stderr), linesOf(stdout)];
  const line =
    exceptionIn(errors) ??
    exceptionIn(output) ??
    firstOfLastRun(errors) ??
    firstOfLastRun(output) ??
    errors.at(-1) ??
    output.at(-1) ??
    '';
  return truncate(line.trim());
}

/** Lines with their indentation, without terminal control sequences. */
function linesOf(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => stripVTControlCharacters(line).trimEnd())
    .filter((line) => line !== '' && !NOISE.some((noise) => noise.test(line)))
    .map((line) => line.replace(/[\p{Cc}\s]+/gu, ' '));
}

/** The header of the last exception, and its cause. */
function exceptionIn(lines: readonly string[]): string | undefined {
  const at = lines.findLastIndex((line, index) => isHeader(line, lines[index - 1]));
  if (at === -1) return undefined;
  const header = lines[at]!;
  const after = lines.slice(at + 1);
  // Python prints the message after the frames
  if (TRACEBACK.test(header)) return after.find((line) => !line.startsWith(' ')) ?? header;
  if (REJECTION.test(header)) return header.replace(REJECTION, '$1$2');
  if (PANICKED.test(header) && after.length > 0) return `${header} ${after[0]!.trim()}`;
  // C++ prints the message on the next line
  if (after[0]?.startsWith(' what(): ')) return `${header}${after[0]}`;
  const cause = after.findLast((line) => CAUSE.test(line))?.replace(CAUSE, '');
  // Node.js puts a cause that has fields of its own in brackets
  return cause === undefined ? header : `${header} (cause: ${cause.replace(/^\[(.*)\](?: \{)?$/, '$1')})`;
}

function isHeader(line: string, before: string | undefined): boolean {
  if (TRACEBACK.test(line) || PANICKED.test(line)) return true;
  // frames in a traceback of Python have markers too
  if (before !== undefined && POINTER.test(before)) return !line.startsWith(' ');
  return HEADER.some((header) => header.test(line));
}

/** The first line of the last block of lines that mention an error. */
function firstOfLastRun(lines: readonly string[]): string | undefined {
  const last = lines.findLastIndex((line) => TELLING.test(line));
  if (last === -1) return undefined;
  const before = lines.slice(0, last).findLastIndex((line) => !TELLING.test(line));
  return lines[before + 1];
}

function truncate(line: string): string {
  return line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)}…` : line;
}
