// What the service is told by its environment: read once, checked whole, frozen. Redis and the
// number of workers are Plimsoll's business and stand in docs/configuration.md.

import { accessSync, constants, existsSync } from 'node:fs';
import { isIP } from 'node:net';
import path from 'node:path';
import type { ResolvedOptions } from 'plimsoll';
import type { StaffingTerms } from './cluster/staffing.js';
import { ConfigReader, type TrustedProxies } from './config-reader.js';

export const STORE_DRIVERS = ['plimsoll', 'redis-pool', 'redis', 'ioredis'] as const;
export type StoreDriver = (typeof STORE_DRIVERS)[number];

/** Where metrics are by default, unless nobody but this host can reach the service. */
const OPERATOR_PORT = 8001;

const MOST_WORKERS = 1_000;

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** Every variable that is read here; docs/auth-service.md has each. */
export const VARIABLES = [
  'HOST',
  'PORT',
  'LOG_LEVEL',
  'AUTH_ISSUER',
  'AUTH_AUDIENCE',
  'AUTH_CLIENT_ID',
  'AUTH_RESOURCE_SERVERS',
  'AUTH_KEYS_FILE',
  'AUTH_ACCESS_TOKEN_TTL_SECONDS',
  'AUTH_REFRESH_TOKEN_TTL_SECONDS',
  'AUTH_REFRESH_GRACE_SECONDS',
  'AUTH_SESSION_TTL_SECONDS',
  'AUTH_MAX_SESSIONS',
  'AUTH_USER_TTL_SECONDS',
  'AUTH_STORE_DRIVER',
  'AUTH_HASH_CONCURRENCY',
  'AUTH_HASH_QUEUE',
  'AUTH_RATE_LIMIT_ACCOUNT',
  'AUTH_RATE_LIMIT_ADDRESS',
  'AUTH_RATE_LIMIT_REFRESH',
  'AUTH_RATE_LIMIT_REFRESH_ADDRESS',
  'AUTH_REVOCATION_REPLICAS',
  'AUTH_REVOCATION_FSYNC',
  'AUTH_REVOCATION_TIMEOUT_MS',
  'AUTH_TRUST_PROXY',
  'AUTH_MAX_CONNECTIONS',
  'AUTH_OPERATOR_HOST',
  'AUTH_OPERATOR_PORT',
  'AUTH_OPERATOR_TOKEN',
  'AUTH_OPERATOR_TOKEN_FILE',
  'AUTH_DASHBOARD',
  'AUTH_PID_FILE',
  'AUTH_STOP_TIMEOUT_MS',
  'AUTH_MIN_WORKERS',
  'AUTH_MAX_WORKERS',
  'AUTH_SCALE_UP_SECONDS',
  'AUTH_SCALE_DOWN_SECONDS',
] as const;
export type Variable = (typeof VARIABLES)[number];

export interface AuthConfig {
  readonly host: string;
  readonly port: number;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  readonly issuer: string;
  readonly audience: string;
  /** `client_id` of all tokens: users log in with one client, the service's own. */
  readonly clientId: string;
  /** Who may introspect every token: SHA-256 of the secret, hex, by id. */
  readonly resourceServers: ReadonlyMap<string, string>;
  /** Private JWKS; `undefined` only outside production, where the primary makes one. */
  readonly keysFile: string | undefined;
  readonly accessTokenSeconds: number;
  /** Life of a refresh token, and of a session since its last refresh. */
  readonly refreshTokenSeconds: number;
  /** How long a token that was replaced gets the same successor once more; 0: not at all. */
  readonly refreshGraceSeconds: number;
  /** Life of a session, however often it is refreshed. */
  readonly sessionSeconds: number;
  /** Sessions a user may have; a further login ends the oldest. */
  readonly maxSessions: number;
  /** How long a new account lives, s; 0: for ever. */
  readonly userSeconds: number;
  readonly storeDriver: StoreDriver;
  /** Password hashes computed at once, by each worker. */
  readonly hashConcurrency: number;
  /** Password hashes that may wait, in each worker. */
  readonly hashQueue: number;
  /** Failed logins a minute to one account from one network; 0: no limit. */
  readonly accountLimit: number;
  /** Registrations and failed logins a minute from one network; 0: no limit. */
  readonly addressLimit: number;
  /** Refreshes a minute of one session; 0: no limit. */
  readonly sessionRefreshLimit: number;
  /** Refreshes a minute from one network; 0: no limit. */
  readonly addressRefreshLimit: number;
  /** Replicas that must have a logout before it is answered; 0: none. */
  readonly revocationReplicas: number;
  /** Whether a logout must stand on disk before it is answered. */
  readonly revocationFsync: boolean;
  /** How long that may take. */
  readonly revocationTimeoutMs: number;
  /** Who is believed about X-Forwarded-For: the nearest so many hops, or these networks. */
  readonly trustProxy: TrustedProxies;
  /** Connections of clients, of each worker. */
  readonly maxConnections: number;
  readonly operatorHost: string;
  /** Where metrics and the pool's health are; `undefined`: where everything else is. */
  readonly operatorPort: number | undefined;
  /** SHA-256 of the token that they ask for, hex; `undefined`: they ask for none. */
  readonly operatorTokenHash: string | undefined;
  /** Whether the live page is served where the metrics are. */
  readonly dashboard: boolean;
  /** Where the primary's process id stands while the service is ready. */
  readonly pidFile: string | undefined;
  readonly stopTimeoutMs: number;
  /** The number of workers never falls below this; 0: below what it starts with. */
  readonly minWorkers: number;
  /** The number of workers never grows beyond this; 0: it doesn't change. */
  readonly maxWorkers: number;
  /** How long event loops have to be busy until there is one worker more, and one less. */
  readonly scaleUpSeconds: number;
  readonly scaleDownSeconds: number;
}

/** Refused configuration: every problem, a sentence each; no secret in any. */
export class ConfigError extends Error {
  readonly code = 'INVALID_CONFIGURATION';

  constructor(readonly problems: readonly string[]) {
    super(`Invalid configuration:\n${problems.map((problem) => `- ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

/** @throws ConfigError with all problems. */
export function resolveConfig(env: NodeJS.ProcessEnv): AuthConfig {
  const problems: string[] = [];
  const read = new ConfigReader(env, problems);
  const isProduction = read.isProduction();
  const host = read.text('HOST', isProduction ? '0.0.0.0' : '127.0.0.1');
  const port = read.integer('PORT', 8000, 0, 65_535);
  const config: AuthConfig = {
    host,
    port,
    logLevel: read.choice('LOG_LEVEL', LOG_LEVELS, 'info'),
    issuer: read.text('AUTH_ISSUER', `http://localhost:${port}`),
    audience: read.text('AUTH_AUDIENCE', 'plimsoll'),
    clientId: read.text('AUTH_CLIENT_ID', 'login'),
    resourceServers: read.resourceServers('AUTH_RESOURCE_SERVERS'),
    keysFile: read.optional('AUTH_KEYS_FILE'),
    accessTokenSeconds: read.integer('AUTH_ACCESS_TOKEN_TTL_SECONDS', 900, 1, 86_400),
    refreshTokenSeconds: read.integer('AUTH_REFRESH_TOKEN_TTL_SECONDS', 2_592_000, 1, 31_536_000),
    refreshGraceSeconds: read.integer('AUTH_REFRESH_GRACE_SECONDS', 10, 0, 300),
    sessionSeconds: read.integer('AUTH_SESSION_TTL_SECONDS', 7_776_000, 1, 315_360_000),
    userSeconds: read.integer('AUTH_USER_TTL_SECONDS', 0, 0, 31_536_000),
    maxSessions: read.integer('AUTH_MAX_SESSIONS', 20, 1, 1_000),
    storeDriver: read.choice('AUTH_STORE_DRIVER', STORE_DRIVERS, 'plimsoll'),
    hashConcurrency: read.integer('AUTH_HASH_CONCURRENCY', 1, 1, 3),
    hashQueue: read.integer('AUTH_HASH_QUEUE', 64, 0, 10_000),
    accountLimit: read.integer('AUTH_RATE_LIMIT_ACCOUNT', 10, 0, 1_000_000),
    addressLimit: read.integer('AUTH_RATE_LIMIT_ADDRESS', 100, 0, 1_000_000),
    sessionRefreshLimit: read.integer('AUTH_RATE_LIMIT_REFRESH', 30, 0, 1_000_000),
    addressRefreshLimit: read.integer('AUTH_RATE_LIMIT_REFRESH_ADDRESS', 6_000, 0, 1_000_000),
    revocationReplicas: read.integer('AUTH_REVOCATION_REPLICAS', 0, 0, 10),
    revocationFsync: read.choice('AUTH_REVOCATION_FSYNC', ['true', 'false'], 'false') === 'true',
    revocationTimeoutMs: read.integer('AUTH_REVOCATION_TIMEOUT_MS', 1_000, 1, 4_000),
    trustProxy: read.trustedProxies('AUTH_TRUST_PROXY'),
    maxConnections: read.integer('AUTH_MAX_CONNECTIONS', 10_000, 1, 1_000_000),
    ...readOperator(read, port, isLoopback(host) && !isProduction),
    dashboard: read.choice('AUTH_DASHBOARD', ['true', 'false'], 'false') === 'true',
    pidFile: read.optional('AUTH_PID_FILE'),
    stopTimeoutMs: read.integer('AUTH_STOP_TIMEOUT_MS', 10_000, 0, 600_000),
    minWorkers: read.integer('AUTH_MIN_WORKERS', 0, 0, MOST_WORKERS),
    maxWorkers: read.integer('AUTH_MAX_WORKERS', 0, 0, MOST_WORKERS),
    scaleUpSeconds: read.integer('AUTH_SCALE_UP_SECONDS', 300, 1, 86_400),
    scaleDownSeconds: read.integer('AUTH_SCALE_DOWN_SECONDS', 900, 1, 86_400),
  };
  const operatorHost = config.operatorPort === undefined ? host : config.operatorHost;
  if (config.operatorTokenHash === undefined && !isLoopback(operatorHost)) {
    problems.push(
      `AUTH_OPERATOR_TOKEN_FILE: is needed where others than this host can reach the metrics (${operatorHost})`,
    );
  }
  if (config.keysFile !== undefined && !existsSync(config.keysFile)) {
    problems.push(`AUTH_KEYS_FILE: there is no file ${config.keysFile}`);
  }
  if (config.keysFile === undefined && isProduction) {
    problems.push('AUTH_KEYS_FILE: production needs a file of keys (keys-cli.js create <file>)');
  }
  if (config.pidFile !== undefined && !canWrite(path.dirname(config.pidFile))) {
    problems.push(`AUTH_PID_FILE: no file can be made in ${path.dirname(config.pidFile)}`);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(config);
}

/**
 * Between which numbers of workers the service may be, and what is wrong with them.
 * @param workers How many it starts with.
 */
export function staffingOf(config: AuthConfig, workers: number): StaffingTerms | undefined {
  const { maxWorkers, scaleUpSeconds, scaleDownSeconds } = config;
  if (maxWorkers === 0) return undefined;
  const minWorkers = config.minWorkers === 0 ? workers : config.minWorkers;
  if (minWorkers > workers || workers > maxWorkers) {
    throw new ConfigError([
      `AUTH_MAX_WORKERS: it starts with ${workers} workers (WEB_CONCURRENCY), which has to be from ` +
        `AUTH_MIN_WORKERS (${minWorkers}) to AUTH_MAX_WORKERS (${maxWorkers})`,
    ]);
  }
  return { minWorkers, maxWorkers, scaleUpSeconds, scaleDownSeconds };
}

/** What is wrong with where Redis is, as Plimsoll has read it; `undefined`: nothing. */
export function problemOfTarget(
  { storeDriver }: Pick<AuthConfig, 'storeDriver'>,
  { target, endpoints }: Pick<ResolvedOptions, 'target' | 'endpoints'>,
): string | undefined {
  const targets = [target, ...endpoints.map((endpoint) => endpoint.target)];
  if (targets.some(({ reads }) => reads !== 'primary')) {
    return 'REDIS_URL: reads must be primary, as a replica may not know yet that a session has ended';
  }
  const isOneServer = endpoints.length === 0 && (target.cluster ?? target.sentinel) === undefined;
  if (storeDriver !== 'plimsoll' && !isOneServer) {
    return `AUTH_STORE_DRIVER: ${storeDriver} is for one server, and REDIS_URL names more`;
  }
  return undefined;
}

function canWrite(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function readOperator(read: ConfigReader, port: number, isShared: boolean) {
  const fallback = isShared ? port : OPERATOR_PORT;
  const operatorPort = read.integer('AUTH_OPERATOR_PORT', fallback, 0, 65_535);
  const isSame = operatorPort === port && (port !== 0 || isShared);
  return {
    operatorHost: read.text('AUTH_OPERATOR_HOST', '127.0.0.1'),
    operatorPort: isSame ? undefined : operatorPort,
    operatorTokenHash: read.tokenHash('AUTH_OPERATOR_TOKEN', 'AUTH_OPERATOR_TOKEN_FILE'),
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
