/**
 * Small words for the document: find an element of a known kind, make one, change one only where it differs.
 * Invariant: no text gets into the document with characters that would turn it around or hide it.
 */
import { visible } from './format.js';

/**
 * The element with this id. Throws where the page has none of this kind.
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new Error(`the page has no ${kind.name} #${id}`);
}

/**
 * A new HTML element with attributes and children.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} name
 * @param {Readonly<Record<string, string>>} attributes
 * @param {...(Node | string)} children
 */
export function html(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, visible(value));
  element.append(...children.map((child) => (typeof child === 'string' ? visible(child) : child)));
  return element;
}

/**
 * A new SVG element with attributes.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} name
 * @param {Readonly<Record<string, string | number>>} attributes
 */
export function svg(name, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, visible(String(value)));
  return element;
}

/**
 * Sets the text where it differs, so that nothing is laid out or read aloud again in vain.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  const safe = visible(text);
  if (element.textContent !== safe) element.textContent = safe;
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {string} value
 */
export function setAttribute(element, name, value) {
  const safe = visible(value);
  if (element.getAttribute(name) !== safe) element.setAttribute(name, safe);
}

/**
 * Makes a box that scrolls by itself one that the keyboard reaches.
 * @param {HTMLElement} box
 * @param {string} label
 */
export function scrollable(box, label) {
  box.tabIndex = 0;
  box.setAttribute('role', 'region');
  box.setAttribute('aria-label', label);
}

/**
 * A name that breaks behind its dots, dashes and underscores, and never within a word.
 * @param {string} name
 */
export function breakable(name) {
  return name
    .split(/(?<=[._-])(?=[^._-])/)
    .flatMap((word, place) => (place === 0 ? [word] : [document.createElement('wbr'), word]));
}

/**
 * A colour that a replica keeps for as long as it has its id: hues by the golden angle, so that neighbours differ.
 * @param {number} id
 */
export function hueOf(id) {
  return (119 + id * 137.508) % 360;
}
