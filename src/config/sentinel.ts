// The sentinels that are asked for a server's address: by option, or by an address such as
//
//   redis-sentinel://user:password@sentinel-1:26379,sentinel-2/primary/database
//
// User and password are the server's; those of the sentinels are the parameters `sentinelUsername`
// and `sentinelPassword`, as neither is ever sent to the other.

import { lacksPassword, withoutBrackets } from './checks.js';
import type { SentinelOptions, SentinelTarget } from './options.js';
import type { Problems } from './problems.js';
import { Secret } from './secret.js';
import { tlsSecret } from './tls.js';

export const SENTINEL_PORT = 26_379;

/** @param given Valid part by part. */
export function resolveSentinel(
  given: Partial<SentinelOptions> | undefined,
  problems: Problems,
): SentinelTarget | undefined {
  if (given === undefined) return undefined;
  const { name, nodes, username, password, tls, addressMap } = given;
  if (name === undefined) refuseMissing('sentinel.name', 'the name of the primary', problems);
  if (nodes === undefined) refuseMissing('sentinel.nodes', 'a list of { host, port }', problems);
  if (lacksPassword(given)) problems.refuse('sentinel.username', 'needs a password');
  return Object.freeze<SentinelTarget>({
    name: name ?? '',
    nodes: Object.freeze(
      (nodes ?? []).map(({ host, port }) =>
        Object.freeze({ host: withoutBrackets(host), port: port ?? SENTINEL_PORT }),
      ),
    ),
    username,
    password: password === undefined ? undefined : new Secret(password),
    tls: tlsSecret(tls),
    addressMap,
  });
}

function refuseMissing(name: string, what: string, problems: Problems): void {
  if (!problems.concern(name)) problems.refuse(name, `must be ${what}`);
}
