/**
 * Text that is shown again and again in the place of what it was before.
 * Invariant: nothing that the terminal showed before is erased; it is scrolled up.
 */

/** What of a stream such as stdout is needed. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly rows?: number;
  write(text: string): unknown;
}

const HOME = '\u001b[H';
/** At the beginning of a line: at its end it would take the last character of one that fills the width. */
const ERASE_LINE = '\u001b[2K';
const ERASE_BELOW = '\u001b[J';

export class Screen {
  readonly #terminal: Terminal;
  readonly #canMove: boolean;
  #isFirst = true;

  /** `type` is $TERM; a dumb terminal cannot move its cursor. */
  constructor(terminal: Terminal, type: string | undefined) {
    this.#terminal = terminal;
    this.#canMove = terminal.isTTY === true && type !== 'dumb';
  }

  /** How many lines can be shown; infinite where they follow each other, as in a file or a pipe. */
  get rows(): number {
    // one less than it has, since the cursor is on the line below
    return this.#canMove ? Math.max(1, (this.#terminal.rows ?? 24) - 1) : Number.POSITIVE_INFINITY;
  }

  show(lines: readonly string[]): void {
    const before = this.#isFirst ? '\n'.repeat(this.#terminal.rows ?? 24) : '';
    const text = this.#canMove
      ? `${before}${HOME}${lines.map((line) => `${ERASE_LINE}${line}\n`).join('')}${ERASE_BELOW}`
      : `${this.#isFirst ? '' : '\n'}${lines.map((line) => `${line}\n`).join('')}`;
    this.#isFirst = false;
    this.#terminal.write(text);
  }
}
