/**
 * Authentication schemes that authenticate a connection and not a request: the next request on it is taken for the same
 * user's, whoever sent it. What a proxy does about it is in `pinned-connections.ts`.
 * Source: RFC 4559 section 6 (Negotiate), [MS-NTHT] (NTLM), RFC 9110 sections 3.3 and 11.6.1.
 */
const CREDENTIALS = /^(?:ntlm|negotiate)(?:[ \t]|$)/i;
const CHALLENGE = /(?:^|,)[ \t]*(?:ntlm|negotiate)(?:[ \t]*(?:,|$)|[ \t]+[^ \t,=])/i;
/** Commas in it separate nothing. */
const QUOTED = /"(?:[^"\\]|\\.)*"/g;

const N = 0x6e;
const LOWER = 0x20;

/** True where the credentials of a request, the value of its Authorization, are of such a scheme. */
export function isConnectionCredentials(value: string): boolean {
  return (value.charCodeAt(0) | LOWER) === N && CREDENTIALS.test(value);
}

/** True where one of the challenges in the value of a WWW-Authenticate is of such a scheme. */
export function hasConnectionChallenge(value: string): boolean {
  return CHALLENGE.test(value.includes('"') ? value.replace(QUOTED, '""') : value);
}
