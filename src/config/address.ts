// Where to connect and as whom. Each part comes from the first of these that has it:
//
//   option (host, ...)  >  the option url  >  variable (REDIS_HOST, ...)  >  REDIS_URL  >  default
//
// What the environment says of one server is never sent to another that the options name: a url,
// host or path there sets all of its variables aside. A port alone names another server on the same
// machine: of the variables only REDIS_HOST and REDIS_TLS are read then.

import { checkHost, lacksPassword, withoutBrackets } from './checks.js';
import { checkCluster, resolveCluster } from './cluster.js';
import { CredentialsFeed } from './credentials.js';
import { DEFAULTS } from './defaults.js';
import type { EnvironmentReader } from './environment.js';
import { environmentLogin, withoutUndefined } from './login.js';
import type { ClientOptionsSubset, ConnectionTarget, PoolOptions } from './options.js';
import type { Problems } from './problems.js';
import { NUMBER_RANGES } from './ranges.js';
import { Secret } from './secret.js';
import { resolveSentinel } from './sentinel.js';
import { tlsSecret } from './tls.js';
import { type AddressParts, parseUrl } from './url.js';

export type Address = Pick<
  ConnectionTarget,
  | (
      | 'host'
      | 'port'
      | 'family'
      | 'path'
      | 'username'
      | 'password'
      | 'credentials'
      | 'database'
      | 'readonly'
      | 'tls'
      | 'sentinel'
    )
  | ('cluster' | 'reads' | 'zone')
  | ('name' | 'protocol' | 'connectTimeoutMs')
>;

/** Parts that name a server by themselves. */
const NAMING = ['host', 'path', 'sentinel', 'cluster'] as const;

/** @param options Valid one by one. */
export function resolveAddress(
  options: PoolOptions & ClientOptionsSubset,
  reader: EnvironmentReader,
  problems: Problems,
): Address {
  const inOptions = optionParts(options, problems);
  const found = { ...environmentParts(options, inOptions, reader, problems), ...inOptions };
  const { credentialsProvider: provider } = options;
  // As there: a provider wins over user and password.
  const parts = provider === undefined ? found : withoutLogin(found);
  if (parts.path !== undefined && parts.tls !== undefined && parts.tls !== false) {
    problems.refuse('tls', 'cannot be used on a unix socket');
  }
  const isServerNamed = NAMING.some((name) => inOptions[name] !== undefined);
  checkCredentials(parts, isServerNamed ? '' : ' (REDIS_PASSWORD)', problems);
  checkCluster(parts, problems);
  if (options.readonly && (parts.cluster ?? parts.sentinel) !== undefined) {
    problems.refuse('readonly', "is of one server: give reads: 'prefer-replica'");
  }
  return {
    host: withoutBrackets(parts.host ?? DEFAULTS.host),
    port: parts.port ?? DEFAULTS.port,
    family: parts.family ?? DEFAULTS.family,
    path: parts.path,
    sentinel: resolveSentinel(parts.sentinel, problems),
    cluster: resolveCluster(parts.cluster, problems),
    reads: parts.reads ?? DEFAULTS.reads,
    zone: parts.zone,
    username: parts.username,
    password: parts.password === undefined ? undefined : new Secret(parts.password),
    credentials: provider && new CredentialsFeed(provider),
    database: parts.database ?? DEFAULTS.database,
    readonly: options.readonly ?? DEFAULTS.readonly,
    tls: tlsSecret(parts.tls),
    name: parts.name ?? DEFAULTS.name,
    protocol: parts.RESP ?? DEFAULTS.RESP,
    connectTimeoutMs: parts.connectTimeoutMs ?? DEFAULTS.connectTimeoutMs,
  };
}

function withoutLogin(parts: AddressParts): AddressParts {
  const { username: _user, password: _password, ...rest } = parts;
  return rest;
}

function optionParts(options: PoolOptions & ClientOptionsSubset, problems: Problems): AddressParts {
  const inUrl = options.url === undefined ? {} : parseUrl(options.url, 'url', problems);
  const { host, port, family, path, sentinel, cluster, reads, zone } = options;
  const { username, password, database, tls, name, RESP, connectTimeoutMs } = options;
  const given = withoutUndefined({
    ...{ host, port, family, path, sentinel, cluster, reads, zone },
    ...{ username, password, database, tls, name, RESP, connectTimeoutMs },
  });
  const merged = { ...inUrl, ...given };
  if (merged.path !== undefined && (merged.host !== undefined || merged.port !== undefined)) {
    problems.refuse('path', 'names a unix socket, which excludes host and port: give one of them');
  }
  refuseSecondServer(merged, options, problems);
  return merged;
}

function refuseSecondServer(merged: AddressParts, options: PoolOptions, problems: Problems): void {
  const isGiven = (part: unknown) => part !== undefined;
  const single = [merged.host, merged.port, merged.path];
  if (isGiven(merged.sentinel) && [...single, options.sentinel && options.url].some(isGiven)) {
    problems.refuse('sentinel', 'excludes url, host, port and path: the sentinels name the server');
  }
  const other = [...single, merged.sentinel, options.cluster && options.url];
  if (isGiven(merged.cluster) && other.some(isGiven)) {
    problems.refuse(
      'cluster',
      'excludes url, host, port, path and sentinel: its nodes are the servers',
    );
  }
}

/** Reads only the variables whose part the options leave open. */
function environmentParts(
  options: PoolOptions,
  inOptions: AddressParts,
  reader: EnvironmentReader,
  problems: Problems,
): AddressParts {
  const { url, host, port, path, sentinel, cluster } = options;
  if ([url, host, path, sentinel, cluster].some((part) => part !== undefined)) return {};
  if (port !== undefined) return machineParts(inOptions, reader, problems);
  const urlText = reader.text('REDIS_URL');
  const inUrl = urlText === undefined ? {} : parseUrl(urlText, 'REDIS_URL', problems);
  const server: AddressParts = {
    ...machineParts(inOptions, reader, problems),
    ...withoutUndefined({ port: reader.wholeNumber('REDIS_PORT', NUMBER_RANGES.port) }),
  };
  const isSingle = server.host !== undefined || server.port !== undefined;
  const what = otherThanOneServer(inUrl);
  if (isSingle && what !== undefined) {
    problems.refuse(
      'REDIS_URL',
      `names ${what}, which excludes REDIS_HOST and REDIS_PORT: set one of them`,
    );
  }
  return { ...inUrl, ...server, ...environmentLogin(inOptions, reader, problems) };
}

/** What an address names that REDIS_HOST and REDIS_PORT can't be a part of. */
function otherThanOneServer({ path, sentinel, cluster }: AddressParts): string | undefined {
  if (path !== undefined) return 'a unix socket';
  if (sentinel !== undefined) return 'sentinels';
  return cluster === undefined ? undefined : 'a cluster';
}

/** Which machine it is, and whether it wants TLS. */
function machineParts(
  inOptions: AddressParts,
  reader: EnvironmentReader,
  problems: Problems,
): AddressParts {
  const host = reader.text('REDIS_HOST');
  const hostProblem = host === undefined ? undefined : checkHost(host);
  if (hostProblem !== undefined) problems.refuse('REDIS_HOST', hostProblem);
  const tls = inOptions.tls ?? reader.flag('REDIS_TLS');
  return withoutUndefined({ host, tls });
}

function checkCredentials(parts: AddressParts, hint: string, problems: Problems): void {
  if (!lacksPassword(parts)) return;
  if (problems.concern('url', 'REDIS_URL', 'password', 'REDIS_PASSWORD_FILE')) return;
  problems.refuse('username', `needs a password${hint}`);
}
