/**
 * Numbers, durations and times as the page writes them: few digits, a unit, always the same width for the same size.
 * Must not hold: anything of the document; it runs without one.
 */

const NOTHING = '–';
const NARROW_SPACE = '\u202f';

/** @param {number} value @param {number} digits */
function grouped(value, digits) {
  return value.toLocaleString('en-GB', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A whole number with thousands apart. @param {number | null} value */
export function count(value) {
  return value === null ? NOTHING : grouped(value, 0);
}

/** So many a second: one decimal below 100. @param {number | null} value */
export function rate(value) {
  if (value === null) return NOTHING;
  if (value === 0) return '0';
  if (value < 0.1) return '<0.1';
  return grouped(value, value < 99.95 ? 1 : 0);
}

/** A duration of a request: three digits that count. @param {number | null} ms */
export function latency(ms) {
  if (ms === null) return NOTHING;
  if (ms >= 9995) return `${grouped(ms / 1000, 1)}${NARROW_SPACE}s`;
  return `${grouped(ms, ms < 9.995 ? 2 : ms < 99.95 ? 1 : 0)}${NARROW_SPACE}ms`;
}

/** A part of a whole, 0 to 1. @param {number} share */
export function percent(share) {
  if (share > 0 && share < 0.0005) return `<0.1${NARROW_SPACE}%`;
  return `${grouped(share * 100, 1)}${NARROW_SPACE}%`;
}

/** A count at an axis. @param {number} value */
export function axisCount(value) {
  return value >= 1000 ? `${value / 1000}k` : `${value}`;
}

/** A duration of requests at an axis. @param {number} ms */
export function axisTime(ms) {
  return ms >= 1000 ? `${ms / 1000}${NARROW_SPACE}s` : `${ms}${NARROW_SPACE}ms`;
}

/** How long something has lasted: its two largest units. @param {number} ms */
export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const parts = /** @type {const} */ ([
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ]);
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first === -1) return `0${NARROW_SPACE}s`;
  return parts
    .slice(first, first + 2)
    .map(([amount, unit]) => `${amount}${NARROW_SPACE}${unit}`)
    .join(' ');
}

/** How long a change took. @param {number | null} ms */
export function took(ms) {
  if (ms === null) return NOTHING;
  return ms < 1000 ? `${Math.round(ms)}${NARROW_SPACE}ms` : ms < 60_000 ? seconds(ms) : duration(ms);
}

/** @param {number} ms */
function seconds(ms) {
  return `${grouped(ms / 1000, 1)}${NARROW_SPACE}s`;
}

/** What would turn text around, hide it or move the cursor: marks of direction and other formats, and controls. */
const UNSEEN = /(?![\t\n])[\p{Cc}\p{Cf}]/gu;

/** Text from elsewhere with characters that nobody sees as `\u202e`: shown, and not obeyed. @param {string} text */
export function visible(text) {
  return text.replace(UNSEEN, (mark) => `\\u${mark.codePointAt(0)?.toString(16).padStart(4, '0')}`);
}

const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const DAY = new Intl.DateTimeFormat('en-GB', { day: '2-digit', month: 'short' });

/** The time of day. @param {number} epochMs */
export function clock(epochMs) {
  return CLOCK.format(epochMs);
}

/** The time of day, after the day where that is not today. @param {number} epochMs @param {number} nowMs */
export function moment(epochMs, nowMs) {
  const day = DAY.format(epochMs);
  return day === DAY.format(nowMs) ? clock(epochMs) : `${day} ${clock(epochMs)}`;
}

/** `a replica`, `3 replicas`. @param {number} amount @param {string} noun */
export function plural(amount, noun) {
  return `${count(amount)} ${noun}${amount === 1 ? '' : 's'}`;
}
