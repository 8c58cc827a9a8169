/** `uplot.js` beside the page is the package's own module; only its types are here. */
export { default } from 'uplot';
