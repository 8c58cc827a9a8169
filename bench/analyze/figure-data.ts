/** The data of a figure as rows, and rows as CSV (RFC 4180). Pure. */

export type Cell = string | number;

export interface Grid {
  readonly head: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

interface Axis {
  readonly name?: string;
  readonly data?: readonly string[];
}

interface Series {
  readonly name?: string;
  readonly data?: readonly unknown[];
  readonly xAxisIndex?: number;
  readonly yAxisIndex?: number;
}

/** What a chart's option draws: one row for each datum of each series that has a name. */
export function dataOf(option: object): Grid {
  const { xAxis, yAxis, series } = option as { xAxis: Axis | Axis[]; yAxis: Axis | Axis[]; series: Series[] };
  const [xs, ys] = [[xAxis].flat(), [yAxis].flat()];
  const rows = series.flatMap(({ name, data = [], xAxisIndex = 0, yAxisIndex = 0 }) => {
    const [across, up] = [xs[xAxisIndex], ys[yAxisIndex]];
    return data.map((datum, at): Cell[] => {
      const [x, y] = pointIn(datum, across?.data?.[at] ?? at);
      return [plain(name ?? nameOf(up)), plain(x), nameOf(up), plain(y)];
    });
  });
  const across = xs.map(nameOf).find((name) => name !== '') ?? 'x';
  return { head: ['series', across, 'of', 'value'], rows };
}

/** What an axis shows: how it is divided is no matter of the data. */
const nameOf = (axis: Axis | undefined): string => axis?.name?.replace(/ \(log\)$/, '') ?? '';

function pointIn(datum: unknown, category: Cell): readonly [Cell, Cell] {
  const value =
    typeof datum === 'object' && datum !== null && 'value' in datum ? (datum.value as unknown) : datum;
  if (Array.isArray(value)) return [value[0] as Cell, value[1] as Cell];
  return [category, value as Cell];
}

/** Line ends of labels are blanks; a bar that is not there is empty. */
function plain(cell: Cell): Cell {
  if (typeof cell === 'number') return cell;
  return cell === '-' ? '' : cell.replaceAll('\n', ' ');
}

export function csvOf({ head, rows }: Grid): string {
  const line = (cells: readonly Cell[]) => cells.map(quoted).join(',');
  return `${[head, ...rows].map(line).join('\r\n')}\r\n`;
}

function quoted(cell: Cell): string {
  // ten digits, which leave out what binary fractions add to decimal ones
  const text = String(typeof cell === 'number' ? Number(cell.toPrecision(10)) : cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
