/**
 * To what protocol a request asks to switch, of those that are passed on.
 * Must not hold: what becomes of the connection (`tunnel.ts`).
 * Source: RFC 9110 sections 5.6.1 and 7.8.
 */

const UPGRADE = 'upgrade';
const CONNECTION = 'connection';
/** HTTP/2 over an upgrade, which is no more (RFC 9113 section 3.1) and would carry requests past all that is decided here. */
const CLEARTEXT_HTTP2 = /^h2c(?:$|\/)/i;

/**
 * What all Upgrade lines of an HTTP/1.1 request ask for, as one list in its order, less what is not passed on; '' where
 * nothing is left, or Connection does not say that it is meant for the next hop.
 */
export function upgradeOf(rawHeaders: readonly string[]): string {
  let isMeant = false;
  let wanted = '';
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!;
    if (name.length === UPGRADE.length && name.toLowerCase() === UPGRADE) {
      for (const protocol of elementsOf(rawHeaders[at + 1]!))
        if (!CLEARTEXT_HTTP2.test(protocol)) wanted = wanted === '' ? protocol : `${wanted}, ${protocol}`;
    } else if (name.length === CONNECTION.length && name.toLowerCase() === CONNECTION) {
      isMeant ||= elementsOf(rawHeaders[at + 1]!.toLowerCase()).includes(UPGRADE);
    }
  }
  return isMeant ? wanted : '';
}

function elementsOf(list: string): readonly string[] {
  return list
    .split(',')
    .map((element) => element.trim())
    .filter((element) => element !== '');
}
