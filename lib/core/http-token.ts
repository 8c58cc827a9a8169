/**
 * What a token of HTTP is: the name of a header field, of a cookie, of a method, of a parameter.
 * Source: RFC 9110 section 5.6.2.
 */

/** Of a regular expression: one byte of a token. */
export const TOKEN_CHAR = "[\\w!#$%&'*+.^`|~-]";

const TOKEN = new RegExp(`^${TOKEN_CHAR}+$`);

/** True for a text that is one token. */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}
