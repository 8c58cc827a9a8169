/** The progress bar: one line that is drawn over on a terminal, and a line an experiment where there is none. */

export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const CELLS = 24;
const CLEAR = '\r\u001b[2K';

/** Progress over steps of known weight; `now` gives milliseconds. */
export class Progress {
  readonly #output: Output;
  readonly #now: () => number;
  readonly #startMs: number;
  readonly #total: number;
  #done = 0;
  #weight = 0;
  #title = '';
  #lastText = '';

  constructor(total: number, output: Output, now: () => number = () => performance.now()) {
    this.#total = total;
    this.#output = output;
    this.#now = now;
    this.#startMs = now();
  }

  /** Begins a step of this weight; the one before it is done. */
  begin(title: string, weight: number): void {
    this.#done += this.#weight;
    this.#weight = weight;
    this.#title = title;
    if (!this.#output.isTTY) this.#output.write(`${title}\n`);
    this.update(0, '');
  }

  /** Says how much of the step is done, 0 to 1, and what is going on. */
  update(fraction: number, doing: string): void {
    if (!this.#output.isTTY) return;
    const share = Math.min(1, (this.#done + this.#weight * Math.min(1, fraction)) / this.#total);
    const full = Math.round(share * CELLS);
    const bar = '█'.repeat(full) + '░'.repeat(CELLS - full);
    const seconds = Math.round((this.#now() - this.#startMs) / 1000);
    const line = `${bar} ${Math.round(share * 100)} %  ${seconds} s  ${this.#title}${doing === '' ? '' : `: ${doing}`}`;
    const text = line.slice(0, (this.#output.columns ?? 100) - 1);
    if (text !== this.#lastText) this.#output.write(CLEAR + text);
    this.#lastText = text;
  }

  /** Takes the bar away. */
  end(): void {
    if (this.#output.isTTY) this.#output.write(CLEAR);
  }
}
