/**
 * A replica that authenticates connections and not requests, as IIS, Kestrel and express-ntlm do: 401, a first message,
 * a challenge, a third message with the name, and from then on whoever sends on the connection is that user.
 */
import { headerOf, type Message, ok } from '../helpers/proxy/message.ts';
import type { Peer } from '../helpers/proxy/peer.ts';
import type { Responder } from '../helpers/proxy/replica.ts';

export interface NtlmTraits {
  /** What stands in WWW-Authenticate before any token. */
  readonly offer?: string;
  readonly scheme?: string;
  /** Further lines of each response, with their CRLF. */
  readonly headers?: string;
}

/** What a `FakeReplica` serves; each has its own users. */
export function ntlm({ offer = 'NTLM', scheme = 'NTLM', headers = '' }: NtlmTraits = {}): Responder {
  const users = new WeakMap<Peer, string>();
  const challenged = new WeakSet<Peer>();
  const refuse = (value: string): string =>
    `HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: ${value}\r\n${headers}Content-Length: 2\r\n\r\nno`;
  return (request: Message, peer: Peer) => {
    const [given, token = ''] = (headerOf(request, 'authorization') ?? '').split(' ');
    if (given?.toLowerCase() === scheme.toLowerCase() && token === 'type1') {
      challenged.add(peer);
      return refuse(`${scheme} type2`);
    }
    if (token.startsWith('type3-') && challenged.delete(peer)) users.set(peer, token.slice(6));
    const user = users.get(peer);
    return user === undefined ? refuse(offer) : ok(`you are ${user}`, headers);
  };
}

/** The header line of a client's message. */
export function message(token: string, scheme = 'NTLM'): string {
  return `Authorization: ${scheme} ${token}\r\n`;
}
