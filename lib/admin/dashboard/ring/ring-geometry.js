/**
 * Arcs of a circle as SVG paths, and a list of owners as runs of the same one.
 * Must not hold: anything of the document; it runs without one. Turns are 0 to 1, clockwise from the top.
 */

/** @typedef {{ readonly owner: number, readonly from: number, readonly to: number }} Run in turns */

const CENTRE = 160;

/**
 * @param {number} radius
 * @param {number} turn
 */
export function pointAt(radius, turn) {
  const angle = 2 * Math.PI * turn;
  return { x: CENTRE + radius * Math.sin(angle), y: CENTRE - radius * Math.cos(angle) };
}

/**
 * The path of an arc; a whole circle is two, for one arc cannot end where it begins.
 * @param {number} radius
 * @param {number} from
 * @param {number} to not more than one turn after
 * @returns {string}
 */
export function arcPath(radius, from, to) {
  if (to - from > 0.999) return arcPath(radius, from, from + 0.5) + arcPath(radius, from + 0.5, from + 0.998);
  const [start, end] = [pointAt(radius, from), pointAt(radius, to)];
  const isLarge = to - from > 0.5 ? 1 : 0;
  return `M${start.x.toFixed(2)} ${start.y.toFixed(2)}A${radius} ${radius} 0 ${isLarge} 1 ${end.x.toFixed(2)} ${end.y.toFixed(2)}`;
}

/**
 * Neighbours with the same owner as one run.
 * @param {readonly number[]} owners
 * @returns {readonly Run[]}
 */
export function runsOf(owners) {
  /** @type {{ owner: number, from: number, to: number }[]} */
  const runs = [];
  for (const [place, owner] of owners.entries()) {
    const last = runs.at(-1);
    const to = (place + 1) / owners.length;
    if (last?.owner === owner) last.to = to;
    else runs.push({ owner, from: place / owners.length, to });
  }
  return runs;
}

/**
 * One arc for each share, end to end, with a gap between them where there is room for one.
 * @param {readonly number[]} shares together 1 at most
 * @returns {readonly { readonly from: number, readonly to: number }[]}
 */
export function sharesAsArcs(shares) {
  const gap = shares.length > 1 && shares.length <= 32 ? 0.0035 : 0;
  let turn = 0;
  return shares.map((share) => {
    const from = turn;
    turn += share;
    return { from: from + Math.min(gap, share) / 2, to: turn - Math.min(gap, share) / 2 };
  });
}
