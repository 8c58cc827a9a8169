/**
 * What an experiment becomes before it is HTML or Markdown. Types only.
 */

import type { Grid } from './figure-data.ts';

/** A chart that stands by itself: its title says the finding, computed from the data. */
export interface Chart {
  readonly kind: 'chart';
  /** Of its file, without the ending. */
  readonly name: string;
  readonly title: string;
  /** What it shows, for who cannot see it. */
  readonly alt: string;
  readonly svg: string;
  /** Of how much it is: `10,000 requests at each size`. */
  readonly sample: string;
  /** True where it is of all seeds, and not of the first alone. */
  readonly isRepeated: boolean;
  readonly data: Grid;
}

export interface Table {
  readonly kind: 'table';
  readonly caption: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface Section {
  /** `A-1`. */
  readonly id: string;
  readonly title: string;
  /** Sentences with what was found; each becomes a paragraph. */
  readonly findings: readonly string[];
  readonly parts: readonly (Chart | Table)[];
  /** What it does not show. */
  readonly limits: readonly string[];
}

export function table(caption: string, head: readonly string[], rows: readonly (readonly string[])[]): Table {
  return { kind: 'table', caption, head, rows };
}
