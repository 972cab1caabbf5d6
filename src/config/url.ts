// Reads redis://, rediss:// and unix:// addresses, and valkey's. Names and passwords are
// percent-decoded. No problem here repeats a part of the address: a password that isn't encoded can
// end up in any. A parameter that other clients know and we don't is named in a warning.
//
//   redis[s]://user:password@host:port/database?parameter=value
//   unix://user:password@/path?db=database
//   redis[s]-sentinel://user:password@host:port,host:port/primary/database
//   redis[s]-cluster://user:password@host:port,host:port

import type { ConnectionOptions as TlsOptions } from 'node:tls';
import { checkHost, OPTION_CHECKS, withoutBrackets } from './checks.js';
import { DEFAULTS } from './defaults.js';
import { parseWholeNumber } from './environment.js';
import { splitHosts } from './hosts.js';
import type {
  ClusterOptions,
  NodeAddress,
  PasswordSource,
  Reads,
  SentinelOptions,
} from './options.js';
import type { Problems } from './problems.js';
import { describeRange, NUMBER_RANGES } from './ranges.js';
import { SENTINEL_PORT } from './sentinel.js';

/** What an address says about where to connect and as whom; what it doesn't say is absent. */
export interface AddressParts {
  host?: string;
  port?: number;
  path?: string;
  sentinel?: Partial<SentinelOptions>;
  cluster?: Partial<ClusterOptions>;
  reads?: Reads;
  zone?: string;
  username?: string;
  password?: PasswordSource;
  database?: number;
  tls?: boolean | TlsOptions;
  family?: 0 | 4 | 6;
  name?: string;
  RESP?: 2 | 3;
  connectTimeoutMs?: number;
}

const TLS_PROTOCOL = /^(rediss|valkeys)(-sentinel|-cluster)?:$/;

/** Parameters of other clients whose meaning and unit are those of an option of ours. */
const PARAMETERS: Readonly<Record<string, OptionOfParameter>> = {
  family: 'family',
  name: 'name',
  client_name: 'name',
  clientName: 'name',
  protocol: 'RESP',
  connectTimeout: 'connectTimeoutMs',
  username: 'username',
  password: 'password',
  reads: 'reads',
  zone: 'zone',
};
type OptionOfParameter =
  | ('family' | 'name' | 'RESP' | 'connectTimeoutMs')
  | ('username' | 'password' | 'reads' | 'zone');
const TEXTS: readonly OptionOfParameter[] = ['name', 'username', 'password', 'reads', 'zone'];
const ANY_NUMBER = { least: 0, most: Number.MAX_SAFE_INTEGER };
/** They name the database as the path of the address does. */
const DATABASE_PARAMETERS = ['db', 'database'];
const SENTINEL_PARAMETERS = ['sentinelUsername', 'sentinelPassword'];
/** A name that a warning repeats; anything else may be a part of a password. */
const PARAMETER_NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,39}$/;

/** The WHATWG parser wants a host wherever there is a user, which a unix socket has not. */
const UNIX_WITHOUT_HOST = /^\s*unix:\/\/([^/]*@)?\//i;
const STAND_IN_HOST = 'unix-socket';

/** @param name `url` or `REDIS_URL`, for problems. @returns Nothing at all where one was found. */
export function parseUrl(text: string, name: string, problems: Problems): AddressParts {
  const found: string[] = [];
  const { parts, ignored } = readUrl(text, (problem) => found.push(problem));
  for (const problem of found) problems.refuse(name, problem);
  if (found.length > 0) return {};
  for (const parameter of ignored) {
    const what = PARAMETER_NAME.test(parameter) ? `the parameter ${parameter}` : 'a parameter';
    problems.warn('URL_PARAMETER_IGNORED', `${name} has ${what}, which is not used`);
  }
  return parts;
}

type Refuse = (problem: string) => void;

interface ReadUrl {
  readonly parts: AddressParts;
  /** Names of parameters that have no meaning here. */
  readonly ignored: readonly string[];
}

function readUrl(text: string, refuse: Refuse): ReadUrl {
  const many = splitHosts(text);
  const url = toUrl(many?.single ?? text);
  if (url === undefined) {
    refuse(
      'is not an address such as redis://user:password@host:6379/0; ' +
        'percent-encode what is special in a name or password',
    );
    return { parts: {}, ignored: [] };
  }
  const parts: AddressParts = { ...readCredentials(url, refuse) };
  if (url.hash !== '') refuse('has a #: percent-encode it as %23');
  switch (url.protocol) {
    case 'redis:':
    case 'rediss:':
    case 'valkey:':
    case 'valkeys:':
      Object.assign(parts, readServer(url, refuse));
      break;
    case 'unix:':
      Object.assign(parts, readSocketPath(url, refuse));
      break;
    case 'redis-sentinel:':
    case 'rediss-sentinel:':
    case 'valkey-sentinel:':
    case 'valkeys-sentinel:':
      Object.assign(parts, readSentinels(url, many?.hosts ?? [], refuse));
      break;
    case 'redis-cluster:':
    case 'rediss-cluster:':
    case 'valkey-cluster:':
    case 'valkeys-cluster:':
      Object.assign(parts, readCluster(url, many?.hosts ?? [], refuse));
      break;
    default:
      refuse(
        'must begin with redis://, rediss://, valkey://, valkeys://, unix://, redis-sentinel:// ' +
          'or redis-cluster://',
      );
      return { parts: {}, ignored: [] };
  }
  const database = readDatabase(url, refuse);
  if (database !== undefined) parts.database = database;
  return { parts, ignored: readParameters(url, parts, refuse) };
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
  const parts: AddressParts = { tls: TLS_PROTOCOL.test(url.protocol) };
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

function readSentinels(url: URL, hosts: readonly string[], refuse: Refuse): AddressParts {
  const tls = TLS_PROTOCOL.test(url.protocol);
  const name = decode(url.pathname.split('/')[1] ?? '', refuse);
  if (name === '') refuse('must name the primary behind the sentinels: redis-sentinel://host/name');
  const username = url.searchParams.get('sentinelUsername') ?? undefined;
  const password = url.searchParams.get('sentinelPassword') ?? undefined;
  const nodes = readHosts(hosts, SENTINEL_PORT, 'a sentinel', refuse);
  return {
    tls,
    sentinel: {
      name,
      nodes,
      tls,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
    },
  };
}

function readCluster(url: URL, hosts: readonly string[], refuse: Refuse): AddressParts {
  return {
    tls: TLS_PROTOCOL.test(url.protocol),
    cluster: { nodes: readHosts(hosts, DEFAULTS.port, 'a node', refuse) },
  };
}

/** Each with its port or without. @param what One of them is, for problems. */
function readHosts(
  hosts: readonly string[],
  defaultPort: number,
  what: string,
  refuse: Refuse,
): NodeAddress[] {
  return hosts.flatMap((text) => {
    const colon = text.lastIndexOf(':');
    const hasPort = colon !== -1 && !text.endsWith(']');
    const host = decode(hasPort ? text.slice(0, colon) : text, refuse);
    const port = hasPort
      ? parseWholeNumber(text.slice(colon + 1), NUMBER_RANGES.port)
      : defaultPort;
    if (port !== undefined && checkHost(host) === undefined) return [{ host, port }];
    refuse(`has ${what} that is no host:port`);
    return [];
  });
}

/** Adds to `parts` what our options have too, and gives the names of all others. */
function readParameters(url: URL, parts: AddressParts, refuse: Refuse): string[] {
  // What looks like parameters is the end of a password then, and the host is no host.
  if (url.search.includes('@'))
    refuse('has a ? before its @: percent-encode what is special in a name or password');
  const ignored: string[] = [];
  for (const [name, text] of url.searchParams) {
    if (DATABASE_PARAMETERS.includes(name)) continue;
    if (parts.sentinel !== undefined && SENTINEL_PARAMETERS.includes(name)) continue;
    const option = Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : undefined;
    if (option === undefined) {
      ignored.push(name);
      continue;
    }
    const value = TEXTS.includes(option) ? text : (parseWholeNumber(text, ANY_NUMBER) ?? text);
    const problem = OPTION_CHECKS[option](value);
    if (parts[option] !== undefined) refuse(`names the ${option} twice`);
    else if (problem === undefined) Object.assign(parts, { [option]: value });
    // Not what it is instead: that may be a part of a password.
    else refuse(`has the parameter ${name}, which ${problem.replace(/, not .*/s, '')}`);
  }
  return ignored;
}

/** The last part of a server's address, or the parameter `db` of either kind. */
function readDatabase(url: URL, refuse: Refuse): number | undefined {
  const texts = DATABASE_PARAMETERS.flatMap((name) => url.searchParams.getAll(name));
  // Of sentinels, the name of the primary stands before it.
  const isBehindName = url.protocol.endsWith('-sentinel:');
  const path = isBehindName ? url.pathname.replace(/^\/[^/]*/, '') : url.pathname;
  if (url.protocol !== 'unix:' && path.length > 1) texts.push(path.slice(1));
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
