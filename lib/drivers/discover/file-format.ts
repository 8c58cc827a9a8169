/**
 * What a file that lists servers may look like: lines, `http://host:port` with a name behind it if any, and comments
 * from `#` on; or JSON, a list of such texts and of `{"url": "http://host:port", "name": "web1"}`.
 * A file that was written in part is told from a whole one by the end of its last line, or by its closing bracket.
 * Pure.
 */
import { formatEndpoint, isReplicaName, parseEndpoint } from '../../core/replica.ts';
import type { Server } from './source.ts';

/** Throws an Error with what is wrong, and in which line or place. */
export function parseServers(written: string): readonly Server[] {
  // editors of Windows begin a file with a byte order mark, which JSON does not know
  const text = written.replace(/^\ufeff/, '');
  if (text.trim() === '') throw new Error('the file is empty; an empty list is written []');
  const isJson = /^\s*[[{]/.test(text);
  const servers = isJson ? fromJson(text) : fromLines(text);
  const names = new Set<string>();
  for (const { name } of servers) {
    if (names.has(name)) throw new Error(`${name} is listed twice`);
    names.add(name);
  }
  return servers;
}

function fromLines(text: string): readonly Server[] {
  if (!text.endsWith('\n')) throw new Error('the last line has no end: the file may be half-written');
  return text.split('\n').flatMap((line, index) => {
    const [url, name, ...more] = line.replace(/#.*/, '').split(/\s+/).filter(Boolean);
    if (url === undefined) return [];
    const where = `line ${index + 1}`;
    if (more.length > 0) throw new Error(`${where} has more than http://host:port and a name`);
    return [serverOf(url, name, where)];
  });
}

function fromJson(text: string): readonly Server[] {
  const list: unknown = JSON.parse(text);
  if (!Array.isArray(list)) throw new Error('the JSON must be a list of servers');
  return list.map((item: unknown, index) => {
    const where = `server ${index + 1}`;
    if (typeof item === 'string') return serverOf(item, undefined, where);
    const { url, name, ...more } = Object(item) as Record<string, unknown>;
    const [unknown] = Object.keys(more);
    if (unknown !== undefined) throw new Error(`${where} has an unknown field ${JSON.stringify(unknown)}`);
    if (typeof url !== 'string') throw new Error(`${where} needs a "url"`);
    if (name !== undefined && typeof name !== 'string')
      throw new Error(`the "name" of ${where} must be a text`);
    return serverOf(url, name, where);
  });
}

function serverOf(url: string, name: string | undefined, where: string): Server {
  const endpoint = parseEndpoint(url);
  if (endpoint === undefined)
    throw new Error(`${where} must be http://host:port or https://host:port, not ${JSON.stringify(url)}`);
  if (name !== undefined && !isReplicaName(name))
    throw new Error(`the name of ${where} must be up to 63 letters, digits, _ . and -`);
  return { name: name ?? formatEndpoint(endpoint), endpoint };
}
