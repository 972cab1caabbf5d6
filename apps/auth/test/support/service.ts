// The service in this process, on a real server, with passwords that cost next to nothing, a log
// that is kept for looking at, and the few calls that every test makes.

import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { FastifyInstance, LightMyRequestResponse } from 'fastify';
import { createPool, type Pool } from 'plimsoll';
import { Registry } from 'prom-client';
import { afterAll, beforeAll } from 'vitest';
import { Attempts } from '../../src/attempts.js';
import { type AuthConfig, resolveConfig } from '../../src/config.js';
import { buildApp } from '../../src/http/app.js';
import type { OperatorHooks } from '../../src/http/operator-routes.js';
import { openLog } from '../../src/log.js';
import { Passwords } from '../../src/passwords.js';
import { type SecurityEvent, SecurityEvents } from '../../src/security-events.js';
import { Confirmation } from '../../src/store/confirmation.js';
import { plimsollCommands } from '../../src/store/drivers.js';
import { Outages } from '../../src/store/outages.js';
import { Shards } from '../../src/store/shards.js';
import { Store } from '../../src/store/store.js';
import { AccessTokens } from '../../src/tokens/access-tokens.js';
import { DeviceTokens } from '../../src/tokens/device-tokens.js';
import { createKeys } from '../../src/tokens/key-file.js';
import { KeyRing } from '../../src/tokens/key-ring.js';
import { RefreshTokens } from '../../src/tokens/refresh-tokens.js';

/** Argon2id at the least that the library takes: for tests of everything but the cost. */
export const CHEAP = { algorithm: 2, memoryCost: 8, timeCost: 1, parallelism: 1 } as const;

/** Short of what is usual, so that tests of a silent server don't last. */
const COMMAND_TIMEOUT_MS = 500;

export const PASSWORD = 'correct horse battery staple';

export interface TestOptions {
  readonly config?: Partial<AuthConfig>;
  readonly passwords?: Passwords;
  readonly hooks?: Partial<OperatorHooks>;
  /** Of another service, to share its keys. */
  readonly keysFile?: string;
}

export interface TestService {
  readonly app: FastifyInstance;
  readonly config: AuthConfig;
  readonly store: Store;
  readonly pool: Pool;
  readonly keys: KeyRing;
  readonly tokens: AccessTokens;
  readonly keysFile: string;
  /** Lines that were logged, as they stand. */
  readonly logged: string[];
  readonly registry: Registry;
  close(): Promise<void>;
}

export interface TokenAnswer {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly token_type: string;
  readonly expires_in: number;
}

export async function openService(url: string, options: TestOptions = {}): Promise<TestService> {
  const folder = mkdtempSync(path.join(tmpdir(), 'auth-test-'));
  const keysFile = options.keysFile ?? path.join(folder, 'keys.json');
  if (options.keysFile === undefined) await createKeys(keysFile);
  const config: AuthConfig = {
    ...resolveConfig({ PORT: '0', AUTH_ISSUER: 'http://issuer.test' }),
    keysFile,
    accountLimit: 0,
    addressLimit: 0,
    sessionRefreshLimit: 0,
    addressRefreshLimit: 0,
    ...options.config,
  };
  const pool = createPool({ commandTimeoutMs: COMMAND_TIMEOUT_MS }, { REDIS_URL: url }) as Pool;
  const commands = plimsollCommands(pool);
  const confirmation = new Confirmation(new Shards(pool), config);
  const store = new Store(commands, config, {
    confirm: confirmation.isWanted ? (home) => confirmation.confirm(home) : undefined,
    outages: Outages.of(pool),
  });
  const keys = await KeyRing.open(keysFile);
  const tokens = new AccessTokens(keys, config);
  const logged: string[] = [];
  const log = openLog(config.logLevel, { write: (line) => void logged.push(line) });
  const registry = new Registry();
  const events = new SecurityEvents({ log, registry });
  const app = buildApp({
    config,
    store,
    keys,
    tokens,
    devices: new DeviceTokens(keys, config),
    attempts: new Attempts(commands, config, events),
    refreshTokens: new RefreshTokens(keys),
    passwords: options.passwords ?? new Passwords({ ...config, parameters: CHEAP }),
    hooks: {
      healthRedis: async () => ({ statusCode: 200, body: { healthy: true } }),
      metrics: async () => ({ contentType: 'text/plain', body: 'up 1\n' }),
      ...options.hooks,
    },
    log,
    events,
  });
  const close = async () => {
    await app.close();
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { app, config, store, pool, keys, tokens, keysFile, logged, registry, close };
}

/**
 * Opens one before the suite's tests and closes it after them; call it inside `describe`.
 * @returns What is empty until then.
 */
export function useService(
  server: () => { readonly url: string },
  options: TestOptions | (() => TestOptions) = {},
): TestService {
  const service = {} as TestService;
  beforeAll(async () => {
    const given = typeof options === 'function' ? options() : options;
    Object.assign(service, await openService(server().url, given));
  });
  afterAll(() => service.close?.());
  return service;
}

/** Two of them with the same keys, as workers of one service are. */
export function useWorkers(
  server: () => { readonly url: string },
  options: TestOptions = {},
): [TestService, TestService] {
  const first = useService(server, options);
  const second = useService(server, () => ({ ...options, keysFile: first.keysFile }));
  return [first, second];
}

export function post(
  { app }: TestService,
  url: string,
  payload: object | string = {},
  headers: Record<string, string> = {},
): Promise<LightMyRequestResponse> {
  return app.inject({ method: 'POST', url, payload, headers });
}

/** A POST with a token and no body. */
export function postAs({ app }: TestService, url: string, token: string) {
  return app.inject({ method: 'POST', url, headers: bearer(token) });
}

export function getAs({ app }: TestService, url: string, token: string) {
  return app.inject({ method: 'GET', url, headers: bearer(token) });
}

export const verify = (service: TestService, token: string) =>
  getAs(service, '/auth/verify', token);

export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

/** How often an event was counted. */
export async function countOf({ registry }: TestService, event: SecurityEvent): Promise<number> {
  const { values } = await registry.getSingleMetric('auth_events_total')!.get();
  return values.find(({ labels }) => labels.event === event)?.value ?? 0;
}

let accounts = 0;

/** A name that no other test has. */
export function newName(): string {
  accounts++;
  return `user-${process.pid}-${accounts}`;
}

/** A new account. */
export async function register(service: TestService, username = newName()): Promise<string> {
  const answer = await post(service, '/auth/register', { username, password: PASSWORD });
  if (answer.statusCode !== 201) throw new Error(`register answered ${answer.statusCode}`);
  return username;
}

/** Tokens of a new session, of a new account unless one is given. */
export async function login(service: TestService, username?: string): Promise<TokenAnswer> {
  const name = username ?? (await register(service));
  const answer = await post(service, '/auth/login', { username: name, password: PASSWORD });
  if (answer.statusCode !== 200) throw new Error(`login answered ${answer.statusCode}`);
  return answer.json();
}

/** Lets a service listen on a port of this machine. @returns The port. */
export async function listen({ app }: TestService): Promise<number> {
  await app.listen({ port: 0, host: '127.0.0.1' });
  return (app.server.address() as AddressInfo).port;
}
