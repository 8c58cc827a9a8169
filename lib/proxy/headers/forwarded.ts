/**
 * The nodes that a request passed, as the proxies before us say: X-Forwarded-For, or Forwarded where that is the only one.
 * Which of them is believed is decided in `trusted-proxies.ts`.
 * Source: RFC 7239 sections 4 and 6, RFC 9110 section 5.6.1.2 (empty elements of a list mean nothing).
 */
import { TOKEN_CHAR } from '../../core/http-token.ts';

const FORWARDED_FOR = 'x-forwarded-for';
const FORWARDED = 'forwarded';

/** The comma between two elements of Forwarded, or a parameter of one; a name alone too, so that no byte is looked at often. */
const PARAMETER = new RegExp(
  String.raw`(,)|(${TOKEN_CHAR}+)(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*)))?`,
  'g',
);

/** The nodes as they are written, the one next to us last; '' for one that Forwarded does not name. */
export function forwardedChain(rawHeaders: readonly string[]): readonly string[] {
  const legacy = listIn(rawHeaders, FORWARDED_FOR)
    .split(',')
    .map((node) => node.trim())
    .filter((node) => node !== '');
  return legacy.length > 0 ? legacy : nodesOf(listIn(rawHeaders, FORWARDED));
}

/** All values of the field as one list; `name` is in lower case. */
function listIn(rawHeaders: readonly string[], name: string): string {
  let list = '';
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const given = rawHeaders[at]!;
    if (given.length !== name.length || given.toLowerCase() !== name) continue;
    list = list === '' ? rawHeaders[at + 1]! : `${list}, ${rawHeaders[at + 1]!}`;
  }
  return list;
}

function nodesOf(list: string): readonly string[] {
  const nodes: string[] = [];
  let node: string | undefined;
  for (const [, comma, name, quoted, token] of list.matchAll(PARAMETER)) {
    if (comma !== undefined) {
      if (node !== undefined) nodes.push(node);
      node = undefined;
    } else {
      node ??= '';
      if (name?.toLowerCase() === 'for') node = quoted?.replace(/\\(.)/g, '$1') ?? token ?? '';
    }
  }
  if (node !== undefined) nodes.push(node);
  return nodes;
}
