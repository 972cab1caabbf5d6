// Where to connect and as whom. Each part comes from the first of these that has it:
//
//   option (host, ...)  >  the option url  >  variable (REDIS_HOST, ...)  >  REDIS_URL  >  default
//
// An address in the options sets REDIS_URL aside as a whole, so that the password of one server
// is never sent to another; a url or path also sets aside REDIS_HOST, REDIS_PORT and REDIS_TLS.

import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import { checkHost, withoutBrackets } from './checks.js';
import { DEFAULTS } from './defaults.js';
import type { EnvironmentReader } from './environment.js';
import type { ConnectionTarget, PasswordSource, PoolOptions } from './options.js';
import type { Problems } from './problems.js';
import { NUMBER_RANGES } from './ranges.js';
import { Secret } from './secret.js';
import { type AddressParts, parseUrl } from './url.js';

export type Address = Pick<
  ConnectionTarget,
  'host' | 'port' | 'path' | 'username' | 'password' | 'database' | 'tls'
>;

/** @param options Valid one by one. */
export function resolveAddress(
  options: PoolOptions,
  reader: EnvironmentReader,
  problems: Problems,
): Address {
  const inOptions = optionParts(options, problems);
  const parts = { ...environmentParts(options, inOptions, reader, problems), ...inOptions };
  if (parts.path !== undefined && parts.tls !== undefined && parts.tls !== false) {
    problems.refuse('tls', 'cannot be used on a unix socket');
  }
  checkCredentials(parts, problems);
  return {
    host: withoutBrackets(parts.host ?? DEFAULTS.host),
    port: parts.port ?? DEFAULTS.port,
    path: parts.path,
    username: parts.username,
    password: parts.password === undefined ? undefined : new Secret(parts.password),
    database: parts.database ?? DEFAULTS.database,
    tls: tlsSecret(parts.tls),
  };
}

function optionParts(options: PoolOptions, problems: Problems): AddressParts {
  const inUrl = options.url === undefined ? {} : parseUrl(options.url, 'url', problems);
  const { host, port, path, username, password, database, tls } = options;
  const parts = { host, port, path, username, password, database, tls };
  const merged = { ...inUrl, ...withoutUndefined(parts) };
  if (merged.path !== undefined && (merged.host !== undefined || merged.port !== undefined)) {
    problems.refuse('path', 'names a unix socket, which excludes host and port: give one of them');
  }
  return merged;
}

/** Reads only the variables whose part the options leave open. */
function environmentParts(
  options: PoolOptions,
  inOptions: AddressParts,
  reader: EnvironmentReader,
  problems: Problems,
): AddressParts {
  const { url, host, port, path } = options;
  const isServerOpen = url === undefined && path === undefined;
  const isUrlOpen = isServerOpen && host === undefined && port === undefined;
  const urlText = isUrlOpen ? reader.text('REDIS_URL') : undefined;
  const inUrl = urlText === undefined ? {} : parseUrl(urlText, 'REDIS_URL', problems);
  const server: AddressParts = isServerOpen ? serverParts(inOptions, reader, problems) : {};
  if (inUrl.path !== undefined && (server.host !== undefined || server.port !== undefined)) {
    problems.refuse(
      'REDIS_URL',
      'names a unix socket, which excludes REDIS_HOST and REDIS_PORT: set one of them',
    );
  }
  const username = inOptions.username ?? reader.text('REDIS_USERNAME');
  const password = inOptions.password ?? environmentPassword(reader, problems);
  const database = inOptions.database ?? reader.wholeNumber('REDIS_DB', NUMBER_RANGES.database);
  return { ...inUrl, ...server, ...withoutUndefined({ username, password, database }) };
}

function serverParts(
  inOptions: AddressParts,
  reader: EnvironmentReader,
  problems: Problems,
): AddressParts {
  const host = inOptions.host ?? reader.text('REDIS_HOST');
  const hostProblem = host === undefined ? undefined : checkHost(host);
  if (hostProblem !== undefined) problems.refuse('REDIS_HOST', hostProblem);
  const port = inOptions.port ?? reader.wholeNumber('REDIS_PORT', NUMBER_RANGES.port);
  const tls = inOptions.tls ?? reader.flag('REDIS_TLS');
  return withoutUndefined({ host, port, tls });
}

function environmentPassword(
  reader: EnvironmentReader,
  problems: Problems,
): PasswordSource | undefined {
  const text = reader.text('REDIS_PASSWORD');
  const file = reader.text('REDIS_PASSWORD_FILE');
  if (file === undefined) return text;
  if (text !== undefined) {
    problems.refuse('REDIS_PASSWORD_FILE', 'and REDIS_PASSWORD exclude each other: set one');
    return text;
  }
  return filePassword(file, problems);
}

/** Read once now, so that a wrong file is refused at start, and again at each connect. */
function filePassword(file: string, problems: Problems): PasswordSource | undefined {
  try {
    if (withoutLineEnd(readFileSync(file, 'utf8')) === '') {
      problems.refuse('REDIS_PASSWORD_FILE', 'names an empty file');
    }
  } catch (error) {
    // Not the path: someone may have put the password itself there.
    const code = (error as NodeJS.ErrnoException).code ?? 'no reason given';
    problems.refuse('REDIS_PASSWORD_FILE', `names a file that cannot be read (${code})`);
    return undefined;
  }
  return async () => withoutLineEnd(await readFile(file, 'utf8'));
}

function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, '');
}

/** A user without a password would silently become the default user. */
function checkCredentials(parts: AddressParts, problems: Problems): void {
  if (parts.username === undefined || parts.username === 'default') return;
  if (parts.password !== undefined) return;
  if (problems.concern('url', 'REDIS_URL', 'password', 'REDIS_PASSWORD_FILE')) return;
  problems.refuse('username', 'needs a password (REDIS_PASSWORD)');
}

/** The caller's own object is copied, so that neither side changes the other's. */
function tlsSecret(tls: boolean | TlsOptions | undefined): Secret<TlsOptions> | undefined {
  if (tls === undefined || tls === false) return undefined;
  return new Secret<TlsOptions>(Object.freeze(tls === true ? {} : { ...tls }));
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function withoutUndefined<T extends object>(parts: T): Defined<T> {
  const entries = Object.entries(parts).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Defined<T>;
}
