// What the doctor knows before it judges: plain data, gathered by `gather-*.ts`, judged by `judge/`.
// What could not be learnt is `undefined`, and named in `refused`.

import type { PoolErrorCode } from 'plimsoll';

/** What the pool of this environment is going to do. */
export interface PoolFacts {
  /** Name of its connections on the server. */
  readonly name: string;
  readonly username: string;
  readonly workers: number;
  /** Of one worker; where its maximum may grow, the ceiling. */
  readonly maxConnections: number;
  /** By the option `autoscale`. */
  readonly mayGrow: boolean;
  readonly healthCheckIntervalMs: number;
  readonly laneDepth: number;
  /** Number of the database. */
  readonly database: number;
  readonly usesReplicas: boolean;
  readonly usesZones: boolean;
  readonly isCluster: boolean;
  readonly asksSentinels: boolean;
}

export interface HostFacts {
  /** Files and sockets that a process may have open. */
  readonly openFilesLimit: number | undefined;
  /** Local ports for connections to one address of a server. */
  readonly ports: number | undefined;
}

/** ms */
export interface RoundTripFacts {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** A line of CLIENT LIST. */
export interface ClientFacts {
  readonly address: string;
  readonly name: string;
  readonly library: string;
  readonly command: string;
  /** Replies that wait in the server until this client reads them. */
  readonly outputBytes: number;
  readonly totalBytes: number;
  readonly isReplica: boolean;
}

export interface SlowCommand {
  /** The command's name alone: arguments may be secret. */
  readonly name: string;
  readonly argumentCount: number;
  readonly ms: number;
  readonly atSeconds: number;
  readonly client: string;
}

export interface LatencyEvent {
  readonly event: string;
  readonly maxMs: number;
  readonly lastMs: number;
}

export interface ClusterFacts {
  readonly info: Readonly<Record<string, string>>;
  /** Lines of CLUSTER NODES. */
  readonly nodes: readonly ClusterNodeFacts[];
}

export interface ClusterNodeFacts {
  readonly id: string;
  readonly address: string;
  readonly flags: readonly string[];
  /** Of its primary; `-`: it is one itself. */
  readonly primaryId: string;
  readonly slots: number;
  /** Slots on their way to or from this node; only the node asked tells of its own. */
  readonly moving: number;
}

export interface CertificateFacts {
  /** Whose it is: `of the server`, `of the server's authority`, `of this client`. */
  readonly whose: string;
  readonly subject: string;
  readonly validToMs: number;
}

export interface TlsFacts {
  readonly protocol: string;
  readonly certificates: readonly CertificateFacts[];
  /** Whether the pool refuses a server whose certificate it can't trust. */
  readonly isVerified: boolean;
}

/** Something that the pool sends by itself and this user may not. */
export interface MissingRight {
  /** As in an ACL: `client|unblock`. */
  readonly right: string;
  readonly isEssential: boolean;
  readonly cost: string;
}

export type Nearness = 'same-host' | 'private-network' | 'public-network';

export interface ServerFacts {
  readonly address: string;
  readonly nearness: Nearness;
  readonly roundTrip: RoundTripFacts | undefined;
  readonly info: Readonly<Record<string, string>> | undefined;
  readonly config: Readonly<Record<string, string>> | undefined;
  readonly clients: readonly ClientFacts[] | undefined;
  /** The slowest first, ten at most. */
  readonly slowest: readonly SlowCommand[] | undefined;
  readonly latencyEvents: readonly LatencyEvent[] | undefined;
  readonly cluster: ClusterFacts | undefined;
  /** `undefined`: plain TCP or a unix socket. */
  readonly tls: TlsFacts | undefined;
  readonly missingRights: readonly MissingRight[];
  /** Questions of the doctor that the server refused, as in an ACL: `config|get`. */
  readonly refused: readonly string[];
  /** From this host to the port of the server, of all processes. */
  readonly localSockets: number | undefined;
}

/** An address of the environment that gave no connection. */
export interface FailureFacts {
  readonly address: string;
  readonly code: PoolErrorCode;
  readonly message: string;
  readonly afterMs: number;
  /** Its certificate may say why. */
  readonly tls: TlsFacts | undefined;
}

export interface Facts {
  readonly nowMs: number;
  readonly pool: PoolFacts;
  readonly host: HostFacts;
  readonly servers: readonly ServerFacts[];
  readonly failures: readonly FailureFacts[];
  /** What the configuration has no effect for, a sentence each. */
  readonly configurationWarnings: readonly string[];
}
