// Reads redis://, rediss:// and unix:// addresses. Names and passwords are percent-decoded. No
// problem here repeats a part of the address: a password that isn't encoded can end up in any.
//
//   redis[s]://user:password@host:port/database
//   unix://user:password@/path?db=database

import type { ConnectionOptions as TlsOptions } from 'node:tls';
import { checkHost, withoutBrackets } from './checks.js';
import { parseWholeNumber } from './environment.js';
import type { PasswordSource } from './options.js';
import type { Problems } from './problems.js';
import { describeRange, NUMBER_RANGES } from './ranges.js';

/** What an address says about where to connect and as whom; what it doesn't say is absent. */
export interface AddressParts {
  host?: string;
  port?: number;
  path?: string;
  username?: string;
  password?: PasswordSource;
  database?: number;
  tls?: boolean | TlsOptions;
}

/** The WHATWG parser wants a host wherever there is a user, which a unix socket has not. */
const UNIX_WITHOUT_HOST = /^\s*unix:\/\/([^/]*@)?\//i;
const STAND_IN_HOST = 'unix-socket';

/** @param name `url` or `REDIS_URL`, for problems. @returns Nothing at all where one was found. */
export function parseUrl(text: string, name: string, problems: Problems): AddressParts {
  const found: string[] = [];
  const parts = readUrl(text, (problem) => found.push(problem));
  for (const problem of found) problems.refuse(name, problem);
  return found.length === 0 ? parts : {};
}

type Refuse = (problem: string) => void;

function readUrl(text: string, refuse: Refuse): AddressParts {
  const url = toUrl(text);
  if (url === undefined) {
    refuse(
      'is not an address such as redis://user:password@host:6379/0; ' +
        'percent-encode what is special in a name or password',
    );
    return {};
  }
  const parts: AddressParts = { ...readCredentials(url, refuse) };
  if (url.hash !== '') refuse('has a #: percent-encode it as %23');
  switch (url.protocol) {
    case 'redis:':
    case 'rediss:':
      Object.assign(parts, readServer(url, refuse));
      break;
    case 'unix:':
      Object.assign(parts, readSocketPath(url, refuse));
      break;
    default:
      refuse('must begin with redis://, rediss:// or unix://');
      return {};
  }
  const database = readDatabase(url, refuse);
  if (database !== undefined) parts.database = database;
  return parts;
}

function toUrl(text: string): URL | undefined {
  try {
    return new URL(text.replace(UNIX_WITHOUT_HOST, `unix://$1${STAND_IN_HOST}/`));
  } catch {
    // The parser's error carries the address, so it must not become anybody's cause.
    return undefined;
  }
}

function readCredentials(url: URL, refuse: Refuse): AddressParts {
  const username = decode(url.username, refuse);
  const password = decode(url.password, refuse);
  return {
    ...(username === '' ? {} : { username }),
    ...(password === '' ? {} : { password }),
  };
}

function readServer(url: URL, refuse: Refuse): AddressParts {
  const parts: AddressParts = { tls: url.protocol === 'rediss:' };
  if (url.hostname !== '') {
    const host = decode(url.hostname, refuse);
    if (checkHost(host) !== undefined) refuse('has a host that is no host name or IP address');
    parts.host = withoutBrackets(host);
  }
  if (url.port !== '') {
    const port = parseWholeNumber(url.port, NUMBER_RANGES.port);
    if (port === undefined) refuse(`must have ${describeRange(NUMBER_RANGES.port)} as its port`);
    else parts.port = port;
  }
  return parts;
}

function readSocketPath(url: URL, refuse: Refuse): AddressParts {
  const isStandIn = url.hostname === '' || url.hostname === STAND_IN_HOST;
  if (!isStandIn || url.port !== '' || url.pathname.length < 2) {
    refuse('must name a socket with three slashes, unix:///path/to/socket');
  }
  return { path: decode(url.pathname, refuse) };
}

/** The last part of a server's address, or the parameter `db` of either kind. */
function readDatabase(url: URL, refuse: Refuse): number | undefined {
  const names = [...url.searchParams.keys()];
  if (names.some((name) => name !== 'db')) refuse('has a parameter other than db');
  const texts = url.searchParams.getAll('db');
  if (url.protocol !== 'unix:' && url.pathname.length > 1) texts.push(url.pathname.slice(1));
  if (texts.length > 1) refuse('names the database twice');
  if (texts[0] === undefined) return undefined;
  const database = parseWholeNumber(texts[0], NUMBER_RANGES.database);
  if (database === undefined) {
    refuse(`must have ${describeRange(NUMBER_RANGES.database)} as its database`);
  }
  return database;
}

function decode(text: string, refuse: Refuse): string {
  try {
    return decodeURIComponent(text);
  } catch {
    refuse('has a % that begins no percent-encoding: write it as %25');
    return text;
  }
}
