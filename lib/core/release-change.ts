/** What a deploy changes, in words. */

interface Release {
  readonly title: string;
  readonly generation: number;
}

/** Such as `app:v1 → app:v2`; releases of one title, as another environment makes them, differ in their generations. */
export function changeOf(from: Release, to: Release): string {
  return from.title === to.title
    ? `${to.title}, generation ${from.generation} → ${to.generation}`
    : `${from.title} → ${to.title}`;
}
