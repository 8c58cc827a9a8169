/** What the benchmark uses of packages that come without types. */
declare module 'hashring' {
  export default class HashRing {
    constructor(servers: readonly string[], algorithm?: string);
    get(key: string): string;
    add(server: string): this;
    remove(server: string): this;
  }
}

declare module 'consistent-hash' {
  export default class ConsistentHash<Node> {
    constructor(options: { readonly range: number; readonly controlPoints: number });
    get(key: string): Node;
    add(node: Node): this;
    remove(node: Node): this;
  }
}
