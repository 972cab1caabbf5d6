// Several endpoints with the same data: by the option `endpoints`, or by REDIS_ENDPOINTS, which has
// their addresses with spaces between them, the preferred one first. What is said beside them, such
// as a password, is for all of them; what one says itself wins.

import { DEFAULT_WEIGHT } from './defaults.js';
import type { EnvironmentReader } from './environment.js';
import { environmentLogin, withoutUndefined } from './login.js';
import type {
  ClientOptionsSubset,
  ConnectionTarget,
  EndpointOptions,
  EndpointTarget,
  PoolOptions,
} from './options.js';
import type { Problems } from './problems.js';

type Options = PoolOptions & ClientOptionsSubset;
type TargetOf = (options: Options, problems: Problems) => ConnectionTarget;

/** Options that name a server by themselves. */
const NAMING = ['url', 'host', 'port', 'path', 'sentinel', 'cluster'] as const;
const VARIABLES = ['REDIS_URL', 'REDIS_HOST', 'REDIS_PORT'] as const;

const NONE: readonly EndpointTarget[] = Object.freeze([]);

/**
 * None where there is one server, or one cluster, to connect to.
 * @param given Valid one by one. @param targetOf Resolves what concerns one of them.
 */
export function resolveEndpoints(
  given: Options,
  reader: EnvironmentReader,
  problems: Problems,
  targetOf: TargetOf,
): readonly EndpointTarget[] {
  const isServerNamed = NAMING.some((name) => given[name] !== undefined);
  const { endpoints, ...shared } = given;
  if (endpoints !== undefined) {
    if (isServerNamed) {
      problems.refuse('endpoints', `excludes ${NAMING.join(', ')}: each of them names its server`);
      return NONE;
    }
    return resolveAll(endpoints, shared, 'endpoints', problems, targetOf);
  }
  const text = isServerNamed ? undefined : reader.text('REDIS_ENDPOINTS')?.trim();
  if (text === undefined || text === '') return NONE;
  for (const name of VARIABLES) {
    if (reader.text(name) === undefined) continue;
    problems.refuse(name, 'and REDIS_ENDPOINTS exclude each other: set one');
  }
  const urls = text.split(/\s+/);
  const ordered = urls.map((url, index) => ({ url, weight: urls.length - index }));
  const tls = withoutUndefined({ tls: shared.tls ?? reader.flag('REDIS_TLS') });
  const login = { ...tls, ...environmentLogin(shared, reader, problems) };
  return resolveAll(ordered, { ...shared, ...login }, 'REDIS_ENDPOINTS', problems, targetOf);
}

function resolveAll(
  endpoints: readonly EndpointOptions[],
  shared: Options,
  list: string,
  problems: Problems,
  targetOf: TargetOf,
): readonly EndpointTarget[] {
  const resolved: EndpointTarget[] = [];
  endpoints.forEach(({ id, weight, ...own }, index) => {
    const name = `${list}[${index}]`;
    if (!NAMING.some((each) => each !== 'port' && own[each] !== undefined)) {
      if (!problems.concern(...NAMING.map((each) => `${name}.${each}`))) {
        problems.refuse(name, 'must name its server: url, host, path, sentinel or cluster');
      }
      return;
    }
    const within = problems.within(`${name}.`);
    const target = targetOf({ ...shared, ...own }, within);
    if (within.concern(...NAMING)) return;
    const endpoint = {
      id: id ?? idOf(target),
      weight: weight ?? DEFAULT_WEIGHT,
      target,
    };
    const twin = resolved.findIndex((other) => other.id === endpoint.id);
    if (twin !== -1) problems.refuse(`${name}.id`, 'must be another than those of the others');
    const [first] = resolved;
    if (first !== undefined && first.target.database !== target.database) {
      problems.refuse(`${name}.database`, 'must be the same as that of the others');
    }
    resolved.push(Object.freeze(endpoint));
  });
  return Object.freeze(resolved);
}

/** What it connects to, for people; no secret. */
function idOf({ host, port, path, sentinel, cluster }: ConnectionTarget): string {
  const [node] = cluster?.nodes ?? [];
  return sentinel?.name ?? path ?? `${node?.host ?? host}:${node?.port ?? port}`;
}
