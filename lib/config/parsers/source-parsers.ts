/**
 * How the text of `source` and of `resolver` becomes where servers are looked up, and who is asked.
 */
import { isIP } from 'node:net';
import type { SourceSpec } from '../../core/discovery/source-spec.ts';
import { quote } from '../suggest.ts';
import type { ValueParser } from './value-parsers.ts';

const HOST_NAME =
  /^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$/;
/** Of a host name, RFC 1035 section 2.3.4. */
const MAX_NAME = 253;

/** What a source is, or what is wrong with it as the end of a sentence. */
type Parsed = SourceSpec | string;

function isHostName(text: string): boolean {
  return text.length <= MAX_NAME && HOST_NAME.test(text) && isIP(text) === 0;
}

function isPort(text: string): boolean {
  return /^[1-9]\d{0,4}$/.test(text) && Number(text) < 65_536;
}

const PARSERS: Readonly<Record<string, (rest: string, text: string) => Parsed>> = {
  docker(label, text) {
    return /^[^=\s]+(=\S*)?$/.test(label)
      ? { kind: 'docker', text, label }
      : 'needs a label, as in docker:ringlb.join=web';
  },
  dns(rest, text) {
    const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(rest) ?? [];
    return isHostName(host) && isPort(port)
      ? { kind: 'dns', text, host, port: Number(port) }
      : 'needs a host name and a port, as in dns:web.example:5000';
  },
  srv(name, text) {
    return isHostName(name)
      ? { kind: 'srv', text, name }
      : 'needs the name of an SRV record, as in srv:_http._tcp.web.example';
  },
  file(path, text) {
    return path !== '' && !path.includes('\0')
      ? { kind: 'file', text, path }
      : 'needs a path, as in file:/etc/ringlb/servers';
  },
  consul() {
    return 'cannot be asked over HTTP: Consul speaks DNS too, as in srv:web.service.consul with --resolver';
  },
};

function parseSource(text: string): Parsed {
  const colon = text.indexOf(':');
  const parse = Object.hasOwn(PARSERS, text.slice(0, colon)) ? PARSERS[text.slice(0, colon)] : undefined;
  return parse === undefined
    ? 'begins with none of docker:, dns:, srv: and file:'
    : parse(text.slice(colon + 1), text);
}

/** `docker:LABEL=VALUE,dns:HOST:PORT,srv:NAME,file:PATH`; none twice. */
export const sources: ValueParser<readonly SourceSpec[]> = {
  unit: 'list of docker:LABEL=VALUE, dns:HOST:PORT, srv:NAME, file:PATH',
  separator: ',',
  read(value) {
    const items = value === '' ? [] : value.split(',').map((item) => item.trim());
    const specs: SourceSpec[] = [];
    for (const item of items) {
      const spec = parseSource(item);
      if (typeof spec === 'string') return { problem: `must be sources, and ${quote(item)} ${spec}` };
      if (specs.some(({ text }) => text === item)) return { problem: `must not name ${quote(item)} twice` };
      specs.push(spec);
    }
    return { value: specs };
  },
};

function isNameServer(text: string): boolean {
  if (isIP(text) !== 0) return true;
  const [, v6, v4, port = ''] = /^(?:\[(.*)\]|([^:]*)):(\d+)$/.exec(text) ?? [];
  return isIP(v6 ?? v4 ?? '') === (v6 === undefined ? 4 : 6) && isPort(port);
}

/** `10.0.0.2,127.0.0.1:8600,[::1]:53`: name servers by their addresses. */
export const nameServers: ValueParser<readonly string[]> = {
  unit: 'list of address or address:port',
  separator: ',',
  read(value) {
    const items = value === '' ? [] : value.split(',').map((item) => item.trim());
    const wrong = items.find((item) => !isNameServer(item));
    return wrong === undefined
      ? { value: items }
      : {
          problem: `must be addresses of name servers, such as 10.0.0.2 or 127.0.0.1:8600 (see ${quote(wrong)})`,
        };
  },
};

/** `unix:///run/docker.sock,tcp://10.0.0.1:2375`: Docker engines. */
export const engines: ValueParser<readonly string[]> = {
  unit: 'list of unix:///path or tcp://host:port',
  read(value) {
    const items = value === '' ? [] : value.split(',').map((item) => item.trim());
    const wrong = items.find(
      (item) => !/^unix:\/\/\/\S+$/.test(item) && !(/^tcp:\/\/[^/?#@\s]+$/.test(item) && URL.canParse(item)),
    );
    return wrong === undefined
      ? { value: items }
      : { problem: `must be addresses of engines, such as unix:///run/docker.sock (see ${quote(wrong)})` };
  },
};

/** `node.labels.zone==a,node.role!=manager`: placement constraints of Swarm. */
export const constraints: ValueParser<readonly string[]> = {
  unit: 'list of key==value or key!=value',
  read(value) {
    const items = value === '' ? [] : value.split(',').map((item) => item.trim());
    const wrong = items.find((item) => !/^[A-Za-z][\w.-]*\s*(==|!=)\s*\S+$/.test(item));
    return wrong === undefined
      ? { value: items }
      : { problem: `must be constraints such as node.labels.zone==a (see ${quote(wrong)})` };
  },
};
