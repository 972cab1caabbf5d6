// What the world may import.

export { keySlot } from './base/key-slot.js';
export type { LatencySummary } from './base/latency-histogram.js';
export type {
  BatchTrace,
  CommandTrace,
  ConnectTrace,
  DatabaseSystem,
  LeaseTrace,
  OperationTrace,
  Trace,
  WaitTrace,
} from './base/tracing.js';
export type { ClusterFace, ClusterNode } from './client/cluster/face.js';
export type { CommandOptions } from './client/context.js';
export type { Lease, Pool } from './client/faces.js';
export type { PlimsollClient, PlimsollOptions } from './client/types.js';
export type { CreateClientOptions } from './config/create-client.js';
export type { CreateClusterOptions } from './config/create-cluster.js';
export type { CreateSentinelOptions } from './config/create-sentinel.js';
export type {
  AsyncCredentialsProvider,
  Credentials,
  CredentialsProvider,
  StreamingCredentialsProvider,
} from './config/credentials.js';
export type {
  AddressMap,
  AutoscaleOptions,
  BreakerOptions,
  ClusterOptions,
  EndpointOptions,
  Environment,
  FailoverOptions,
  Fallback,
  FallbackRequest,
  NodeAddress,
  PasswordSource,
  PoolWarning,
  PoolWarningCode,
  Reads,
  ReconnectStrategy,
  ResolvedOptions,
  RetryOptions,
  RetryWrites,
  SentinelOptions,
  TracingOptions,
} from './config/options.js';
export { resolveOptions } from './config/resolve.js';
export { createPool, getPool } from './create-pool.js';
export {
  type CommandPart,
  ERROR_CODES,
  InvalidOptionsError,
  PartlyDoneError,
  PoolError,
  type PoolErrorCode,
} from './errors.js';
export type { EvictionReason } from './node/entry.js';
export type { AcquireOptions } from './node/lease-request.js';
export { Scaling, type ScalingRule, type ScalingVerdict } from './policy/autoscale.js';
export {
  type CheckoutCapacity,
  type CheckoutLoad,
  checkoutCapacity,
  connectionsPerWorker,
  type FormulaSize,
  PRESETS,
  type Preset,
  type SizingFacts,
  sizeByFormula,
} from './policy/sizing.js';
export type { PoolEvents } from './pool/events.js';
export type {
  AutoscaleAction,
  AutoscaleDecision,
  AutoscaleReason,
  AutoscaleStatus,
} from './pool/growth.js';
export type { CloseOptions, HealthReport } from './pool/pool.js';
export type { ConnectionStatus, PoolState, PoolStatus } from './pool/snapshot.js';
export type { FailoverStatus, SwitchOptions, SwitchReason } from './topology/failover.js';
export {
  AbortError,
  ClientClosedError,
  ClientOfflineError,
  type CommandDefinition,
  type CommandParser,
  ConnectionTimeoutError,
  DisconnectsClientError,
  defineScript,
  ErrorReply,
  MultiErrorReply,
  RESP_TYPES,
  type RedisArgument,
  type RedisClientType,
  type RedisFunctions,
  type RedisModules,
  type RedisScripts,
  type RespVersions,
  SocketClosedUnexpectedlyError,
  TimeoutError,
  type TypeMapping,
  VerbatimString,
  WatchError,
} from './wire/protocol.js';
