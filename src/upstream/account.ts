/** A credentialed place upstream, as selection sees it: a frozen copy of the settings row in memory. */
export interface Account {
  readonly id: string;
  /** The change that wrote this copy; admission answers `stale` when the row is newer. */
  readonly version: bigint;
  readonly name: string;
  /** Text checked against the registry of upstreams; never compared outside of its own folder. */
  readonly kind: string;
  /** Null: the kind's own public origin. */
  readonly baseUrl: string | null;
  readonly priority: number;
  readonly weight: number;
  /** Attempts at once over all replicas; 0 = unlimited. */
  readonly maxConcurrency: number;
  readonly models: ModelPolicy | null;
  readonly groups: readonly string[];
  readonly onClientLeave: 'cancel' | 'drain';
  readonly enabled: boolean;
  readonly credentialsVersion: number;
  /** The credential's fields that are no secrets (`Upstream.plainCredentials`), for example a region. */
  readonly settings: Readonly<Record<string, string>>;
}

/** Which models an account serves, and under which names; null on the account = the kind's default patterns. */
export interface ModelPolicy {
  readonly allow?: readonly string[];
  /** Public name → upstream name. */
  readonly map?: Readonly<Record<string, string>>;
}

/** What is sealed of one account. Never logged. */
export interface Secret {
  /** Fields as the contract names them for the account's kind. */
  readonly values: Readonly<Record<string, string>>;
  /** Egress proxy, its user and password included: `http:`, `https:` or `socks5:`. */
  readonly proxyUrl?: string | undefined;
}

/** One version of an account's secret, unsealed. */
export interface Credentials extends Secret {
  readonly version: number;
}
