/**
 * Whether what a person reads and presses has room on the page, as the browser laid it out.
 * Must not hold: assertions, what the page shows.
 */
import type { Page } from 'playwright-core';

/** What is wrong: a text or a control that stands out of what it is in, or over another one, or can only be scrolled to. */
export function misfits(page: Page): Promise<readonly string[]> {
  return page.evaluate(() => {
    interface Part {
      readonly of: Element;
      /** What of it no box around it cuts off. */
      readonly seen: DOMRect;
    }
    const CONTROLS = 'button, a, input, select, textarea, .probes';
    const FRAMES = 'th, td, tr, li, .preview, .panel, main, form, dialog';
    /** Hidden from sight, or drawn: its parts are meant to lie over others. */
    const DRAWN = 'option, .unseen, .skip, .notice, .chart, svg:not(.probes)';
    const ROUNDING = 1.01;

    const opened = document.querySelector('dialog[open]');
    const top = document.querySelector('.top');
    const nameOf = (element: Element) =>
      `${element.tagName.toLowerCase()}${element.id && '#'}${element.id} "${element.textContent.trim().slice(0, 30)}"`;
    const both = (a: DOMRect, b: DOMRect) => {
      const x = Math.max(a.left, b.left);
      const y = Math.max(a.top, b.top);
      return new DOMRect(
        x,
        y,
        Math.max(0, Math.min(a.right, b.right) - x),
        Math.max(0, Math.min(a.bottom, b.bottom) - y),
      );
    };
    const ancestors = function* (of: Element) {
      for (let one = of.parentElement; one !== null; one = one.parentElement) yield one;
    };
    const clips = (element: Element) => {
      const { overflowX, display } = getComputedStyle(element);
      return overflowX !== 'visible' && display !== 'inline';
    };
    const partOf = (of: Element, box: DOMRect, around: Iterable<Element>): Part => ({
      of,
      seen: [...around].filter(clips).reduce((seen, one) => both(seen, one.getBoundingClientRect()), box),
    });
    const linesOf = (element: Element): DOMRect[] =>
      [...element.childNodes]
        .filter((node) => node instanceof Text && node.data.trim() !== '')
        .flatMap((node) => {
          const range = document.createRange();
          range.selectNodeContents(node);
          return [...range.getClientRects()];
        });

    const shown = [...document.querySelectorAll(opened === null ? 'body *' : 'dialog[open] *')].filter(
      (element) =>
        element.checkVisibility() &&
        element.closest(DRAWN) === null &&
        (element.matches(CONTROLS) || element.closest(CONTROLS) === null) &&
        (opened !== null || element.closest('dialog') === null),
    );
    const parts = shown
      .flatMap((of) =>
        of.matches(CONTROLS)
          ? [partOf(of, of.getBoundingClientRect(), ancestors(of))]
          : linesOf(of).map((box) => partOf(of, box, [of, ...ancestors(of)])),
      )
      .filter(({ seen }) => seen.width > 1 && seen.height > 1);

    const out = parts.flatMap(({ of, seen }) =>
      [...ancestors(of)]
        .filter((frame) => frame.matches(FRAMES))
        .filter((frame) => {
          const { left, right } = frame.getBoundingClientRect();
          const { paddingLeft, paddingRight } = getComputedStyle(frame);
          return (
            seen.left < left + Number.parseFloat(paddingLeft) - ROUNDING ||
            seen.right > right - Number.parseFloat(paddingRight) + ROUNDING
          );
        })
        .map((frame) => `${nameOf(of)} out of ${nameOf(frame)}`),
    );
    const over = parts.flatMap((one, place) =>
      parts
        .slice(place + 1)
        .filter(({ of, seen }) => {
          if (of === one.of || of.contains(one.of) || one.of.contains(of)) return false;
          if (top?.contains(of) !== top?.contains(one.of)) return false;
          const shared = both(seen, one.seen);
          return shared.width > 2 && shared.height > 3;
        })
        .map(({ of }) => `${nameOf(one.of)} over ${nameOf(of)}`),
    );
    const scrolls = [document.documentElement, ...shown]
      .filter((box) => ['auto', 'scroll'].includes(getComputedStyle(box).overflowX) || box.matches(':root'))
      .filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)
      .map((box) => `${nameOf(box)} scrolls sideways`);
    return [...new Set([...out, ...over, ...scrolls])];
  });
}
