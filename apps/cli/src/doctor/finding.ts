// What the doctor says: findings, their codes, and what each code's number counts. Every code has its
// section in docs/doctor.md.

/** The most severe first. */
export const SEVERITIES = ['critical', 'warning', 'notice'] as const;

export type Severity = (typeof SEVERITIES)[number];

/** What the number of a finding counts, by code. */
export const FINDING_UNITS = {
  CONFIGURATION_INVALID: 'problems',
  CONFIGURATION_WARNING: 'warnings',
  UNREACHABLE: 'ms',
  ROUND_TRIP_SLOW: 'ms',
  ROUND_TRIP_JITTER: 'ms',
  MAXCLIENTS_SHORT: 'connections',
  MAXCLIENTS_NEAR: 'percent',
  CONNECTIONS_REJECTED: 'connections',
  IDLE_TIMEOUT: 'seconds',
  KEEPALIVE: 'seconds',
  OUTPUT_BUFFER_NORMAL: 'bytes',
  OUTPUT_BUFFER_PUBSUB: 'bytes',
  OUTPUT_BUFFER_REPLICA: 'bytes',
  BIG_CLIENT: 'bytes',
  MEMORY_UNLIMITED: 'bytes',
  MEMORY_NEAR: 'percent',
  MEMORY_SWAPPED: 'ratio',
  MEMORY_FRAGMENTED: 'ratio',
  EVICTS_ANY_KEY: 'keys',
  EVICTS_NOTHING: 'keys',
  KEYS_EVICTED: 'keys',
  LOADING: 'percent',
  PERSISTENCE_OFF: 'keys',
  SAVE_FAILED: 'changes',
  AOF_FAILED: 'failures',
  AOF_DELAYED: 'delays',
  FORK_SLOW: 'ms',
  SLOW_COMMANDS: 'ms',
  SLOW_LOG_OFF: 'microseconds',
  LATENCY_EVENT: 'ms',
  LATENCY_MONITOR_OFF: 'ms',
  TLS_OFF: 'connections',
  TLS_UNVERIFIED: 'certificates',
  TLS_PROTOCOL_OLD: 'version',
  CERTIFICATE_EXPIRES: 'days',
  VERSION_OLD: 'version',
  VERSION_LACKS: 'features',
  NOT_PRIMARY: 'replicas',
  PRIMARY_LINK_DOWN: 'seconds',
  REPLICA_LAG: 'seconds',
  REPLICA_OFFLINE: 'replicas',
  REPLICAS_TOO_FEW: 'replicas',
  CLUSTER_DOWN: 'slots',
  SLOTS_UNCOVERED: 'slots',
  SLOTS_MOVING: 'slots',
  NODES_FAILING: 'nodes',
  PRIMARY_WITHOUT_REPLICA: 'primaries',
  DESCRIPTORS_SHORT: 'descriptors',
  PORTS_SHORT: 'ports',
  ACL_LACKS: 'commands',
  NOT_LOOKED_AT: 'questions',
} as const;

export type FindingCode = keyof typeof FINDING_UNITS;

export const FINDING_CODES = Object.keys(FINDING_UNITS) as FindingCode[];

export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  /** `host:port` of the server concerned, or `this host`. */
  readonly where: string;
  readonly number: number;
  /** What `number` counts. */
  readonly unit: string;
  /** One sentence that has the number. No secret, no key, no value. */
  readonly message: string;
  /** What to do, in one or two sentences. */
  readonly cure: string;
}

/** A finding whose place is added by whoever knows it. */
export type Verdict = Omit<Finding, 'where' | 'unit'>;

export function placed(verdicts: readonly Verdict[], where: string): Finding[] {
  return verdicts.map(({ code, severity, ...rest }) => ({
    ...{ code, severity, where },
    unit: FINDING_UNITS[code],
    ...rest,
  }));
}

/** Sorted by severity; within one, as they were found. */
export function mostSevereFirst(findings: readonly Finding[]): Finding[] {
  const rank = ({ severity }: Finding) => SEVERITIES.indexOf(severity);
  return [...findings].sort((one, other) => rank(one) - rank(other));
}

export function highestSeverity(findings: readonly Finding[]): Severity | undefined {
  return SEVERITIES.find((severity) => findings.some((finding) => finding.severity === severity));
}

/** As monitoring plug-ins have it: 0 well, 1 warning, 2 critical; notices are no fault. */
export function exitCodeOf(findings: readonly Finding[]): 0 | 1 | 2 {
  const highest = highestSeverity(findings);
  if (highest === 'critical') return 2;
  return highest === 'warning' ? 1 : 0;
}
