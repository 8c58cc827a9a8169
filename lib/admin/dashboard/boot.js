/**
 * Loads the page again where a part of it did not come, since without one it neither works nor says why.
 * A script of its own, for a module that does not load cannot tell. The pauses grow.
 * It also fixes the language that modules find when they load.
 */
(() => {
  // the charts format numbers by it as they load, and it may be no tag: Chromium under LANG=C has `en-US@posix`
  Object.defineProperty(navigator, 'language', { value: 'en-GB' });

  const PAUSE_MS = 500;
  const MOST = 8;
  const KEY = 'ringlb-loads';

  /** The script and the style sheets; a picture may be missing. @param {Event} event */
  function onError({ target }) {
    const isStyle = target instanceof HTMLLinkElement && target.rel === 'stylesheet';
    if (!isStyle && !(target instanceof HTMLScriptElement)) return;
    removeEventListener('error', onError, { capture: true });
    const loads = Number(sessionStorage.getItem(KEY) ?? 0) + 1;
    sessionStorage.setItem(KEY, `${loads}`);
    if (loads < MOST) setTimeout(() => location.reload(), loads * PAUSE_MS);
  }

  // errors of elements do not bubble
  addEventListener('error', onError, { capture: true });
  addEventListener('load', () => setTimeout(() => sessionStorage.removeItem(KEY), 10 * PAUSE_MS));
})();
