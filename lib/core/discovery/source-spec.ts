/**
 * Where servers that others run are looked up, as the option `source` says it.
 */

interface Spec {
  /** As it was written, and as logs and events name it: `dns:web.example:5000`. */
  readonly text: string;
}

/** Containers of a Docker engine that carry a label: `key`, or `key=value`. */
export interface DockerSpec extends Spec {
  readonly kind: 'docker';
  readonly label: string;
}

/** The addresses of a host name, all on one port. */
export interface DnsSpec extends Spec {
  readonly kind: 'dns';
  readonly host: string;
  readonly port: number;
}

/** The targets of an SRV record (RFC 2782). */
export interface SrvSpec extends Spec {
  readonly kind: 'srv';
  readonly name: string;
}

/** A file that lists servers. */
export interface FileSpec extends Spec {
  readonly kind: 'file';
  readonly path: string;
}

export type SourceSpec = DockerSpec | DnsSpec | SrvSpec | FileSpec;
