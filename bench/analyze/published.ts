/**
 * What the papers say, with where they say it. A value that a paper shows in a figure only is not here: no number was
 * read off a figure.
 */

/** Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, section 5.3. */
export const MAGLEV = {
  source: 'Maglev, NSDI 2016, §5.3',
  backends: 1000,
  small: 65_537,
  large: 655_373,
  /** Points of each backend in the Karger ring. */
  views: 1000,
  /** How far the busiest backend is above the mean. */
  overprovision: {
    karger: { small: 0.297, large: 0.103 },
    rendezvous: { small: 0.495, large: 0.123 },
  },
  buildMs: { small: 1.8, large: 22.9 },
  repetitions: 200,
} as const;

/** Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm", arXiv 1406.2294, table of Karger's ring. */
export const LAMPING_VEACH = {
  source: 'Lamping and Veach, arXiv 1406.2294',
  rows: [
    { points: 1, error: 0.997906, low: 0.005, high: 5.25 },
    { points: 10, error: 0.315181, low: 0.37, high: 1.98 },
    { points: 100, error: 0.0996996, low: 0.76, high: 1.28 },
    { points: 1000, error: 0.0315723, low: 0.92, high: 1.09 },
  ],
} as const;

/** Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads", arXiv 1608.01350, abstract. */
export const BOUNDED = {
  source: 'Mirrokni et al., arXiv 1608.01350',
  loadFactors: [1.1, 1.25, 1.5, 1.75, 2],
} as const;
