/** How the report writes numbers. */

/** Between a number and its unit; no line ends there. */
export const SPACE = '\u00a0';

/** 10,000. */
export function count(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: 0 });
}

/** With so many digits behind the point. */
export function fixed(value: number, digits: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A share of 1 as a percentage. */
export function percent(share: number, digits = 1): string {
  return `${fixed(share * 100, digits)}${SPACE}%`;
}

/** A difference with its sign; a true minus. */
export function signed(value: number, digits: number): string {
  const text = fixed(Math.abs(value), digits);
  if (Number(text) === 0) return text;
  return value < 0 ? `−${text}` : `+${text}`;
}

/** Milliseconds, or seconds where they are more than one. */
export function duration(ms: number): string {
  return ms < 1000 ? `${fixed(ms, ms < 10 ? 1 : 0)}${SPACE}ms` : `${fixed(ms / 1000, 1)}${SPACE}s`;
}

/** Binary units. */
export function bytes(value: number): string {
  return value < 2 ** 20
    ? `${fixed(value / 2 ** 10, 0)}${SPACE}KiB`
    : `${fixed(value / 2 ** 20, 1)}${SPACE}MiB`;
}

/** `a, b and c`. */
export function listed(items: readonly string[]): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}
