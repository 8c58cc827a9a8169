/** HTTP messages as the raw ends of the tests see them. */

export interface Message {
  readonly startLine: string;
  /** Start line and headers as they came, with the empty line. */
  readonly head: string;
  /** Header name and value in their order, names as they came. */
  readonly pairs: readonly (readonly [string, string])[];
  /** Without its framing. */
  readonly body: string;
  /** With its framing. */
  readonly rawBody: string;
  readonly trailers: readonly (readonly [string, string])[];
}

export function pairsOf(lines: readonly string[]): (readonly [string, string])[] {
  return lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
  });
}

/** All values of the header, in order. */
export function headersOf(message: Message, name: string): string[] {
  return message.pairs.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
}

/** The header's value; undefined where it is absent. */
export function headerOf(message: Message, name: string): string | undefined {
  return headersOf(message, name)[0];
}

export function statusOf(message: Message): number {
  return Number(message.startLine.split(' ')[1]);
}

/** The `message` of one of the balancer's own failures; throws where the body is not that JSON. */
export function failureOf(message: Message): string {
  const body = JSON.parse(message.body) as { message?: unknown; status?: unknown };
  if (body.status !== 'failure' || typeof body.message !== 'string') throw new Error(message.body);
  return body.message;
}

/** Takes a chunked body apart as strictly as the grammar allows; undefined while it is not whole. */
export function chunkedBody(
  text: string,
): { body: string; trailers: (readonly [string, string])[]; length: number } | undefined {
  let body = '';
  for (let at = 0; ; ) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd === -1) return undefined;
    const line = text.slice(at, lineEnd);
    if (!/^[0-9A-Fa-f]+(;.*)?$/.test(line)) throw new Error(`not a chunk size: ${JSON.stringify(line)}`);
    const size = Number.parseInt(line, 16);
    at = lineEnd + 2;
    if (size === 0) {
      const end = text.startsWith('\r\n', at) ? at : text.indexOf('\r\n\r\n', at);
      if (end === -1) return undefined;
      const lines = end === at ? [] : text.slice(at, end).split('\r\n');
      return { body, trailers: pairsOf(lines), length: end === at ? at + 2 : end + 4 };
    }
    if (text.length < at + size + 2) return undefined;
    if (text.slice(at + size, at + size + 2) !== '\r\n') throw new Error('a chunk is not followed by CRLF');
    body += text.slice(at, at + size);
    at += size + 2;
  }
}

/** A 200 with a body; `headers` are whole lines with their CRLF. */
export function ok(body: string, headers = ''): string {
  return `HTTP/1.1 200 OK\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
}

/** A GET; `headers` are whole lines with their CRLF. */
export function get(path: string, headers = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: a.example\r\n${headers}\r\n`;
}

/** A POST with Content-Length. */
export function post(path: string, body: string, headers = ''): string {
  return `POST ${path} HTTP/1.1\r\nHost: a.example\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
}
