/**
 * Links to what the balancer says as text. With a token they are asked for by the page, since a link carries none.
 */
import { Token } from '../data/token.js';

/**
 * @param {Iterable<Element>} links
 * @param {Token} token
 */
export function openWithToken(links, token) {
  for (const link of links)
    if (link instanceof HTMLAnchorElement)
      link.addEventListener('click', (clicked) => {
        if (token.value === '') return;
        clicked.preventDefault();
        void open(link.href, token.value);
      });
}

/**
 * @param {string} address
 * @param {string} token
 */
async function open(address, token) {
  // opened at once, for a browser lets no page open a window later
  const page = window.open('', '_blank');
  if (page === null) return;
  const response = await fetch(address, { headers: Token.headers(token), cache: 'no-store' });
  page.location.href = URL.createObjectURL(new Blob([await response.text()], { type: 'text/plain' }));
}
