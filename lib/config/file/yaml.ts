/** What is used of the package `yaml`: a document as a tree of nodes that know where they begin in the text. Types only. */

/** A fault of the text; `pos` are offsets in it. */
interface YamlFault {
  readonly message: string;
  readonly pos: readonly [from: number, to: number];
}

interface YamlNode {
  readonly range?: readonly [from: number, valueEnd: number, nodeEnd: number] | null;
}

interface YamlScalar extends YamlNode {
  readonly value: unknown;
  /** As it is written; undefined for a scalar that was not parsed. */
  readonly source?: string;
}

interface YamlSequence extends YamlNode {
  readonly items: readonly unknown[];
}

export interface YamlMap extends YamlNode {
  readonly items: readonly { readonly key: unknown; readonly value: unknown }[];
}

interface YamlDocument {
  readonly contents: unknown;
  readonly errors: readonly YamlFault[];
  readonly warnings: readonly YamlFault[];
}

/** Finds lines and columns, both from 1, once a document has been parsed with it. */
interface LineCounter {
  linePos(offset: number): { readonly line: number; readonly col: number };
}

export interface Yaml {
  readonly LineCounter: new () => LineCounter;
  parseDocument(
    text: string,
    options: {
      readonly lineCounter: LineCounter;
      readonly uniqueKeys: boolean;
      readonly prettyErrors: boolean;
      readonly logLevel: 'error';
    },
  ): YamlDocument;
  isAlias(node: unknown): boolean;
  isMap(node: unknown): node is YamlMap;
  isScalar(node: unknown): node is YamlScalar;
  isSeq(node: unknown): node is YamlSequence;
}
