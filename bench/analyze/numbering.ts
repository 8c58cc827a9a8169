/**
 * Numbers figures and tables through the whole report, and moves long tables to an appendix. Pure.
 */
import type { Chart, Section, Table } from './section.ts';
import { type Facts, seedsIn } from './study.ts';

/** A table of more rows is read up, not read. */
const LONG = 12;

export interface Figure {
  readonly kind: 'figure';
  readonly label: string;
  readonly caption: string;
  readonly chart: Chart;
}

export interface Numbered {
  readonly kind: 'table';
  readonly label: string;
  readonly table: Table;
}

/** Stands where a long table was. */
export interface Reference {
  readonly kind: 'reference';
  readonly label: string;
  readonly table: Table;
}

export interface Layout {
  readonly sections: readonly (Omit<Section, 'parts'> & {
    readonly parts: readonly (Figure | Numbered | Reference)[];
  })[];
  readonly appendix: readonly Numbered[];
}

export function layoutOf(sections: readonly Section[], facts: Facts): Layout {
  const appendix: Numbered[] = [];
  let [figures, tables] = [0, 0];
  const place = (part: Chart | Table): Figure | Numbered | Reference => {
    if (part.kind === 'chart') {
      const label = `Figure ${++figures}`;
      return { kind: 'figure', label, caption: captionOf(part, facts), chart: part };
    }
    if (part.rows.length <= LONG) return { kind: 'table', label: `Table ${++tables}`, table: part };
    const label = `Table A${appendix.length + 1}`;
    appendix.push({ kind: 'table', label, table: part });
    return { kind: 'reference', label, table: part };
  };
  const placed = sections.map((section) => ({ ...section, parts: section.parts.map(place) }));
  return { sections: placed, appendix };
}

/** What a figure shows, of how much, by which draws and by which program: enough to stand in a paper. */
function captionOf({ title, sample, isRepeated }: Chart, { options, version }: Facts): string {
  const seeds = seedsIn(isRepeated ? options : { ...options, seeds: 1 });
  return `${title}. n = ${sample}; ${seeds}; ringlb ${version}.`;
}
