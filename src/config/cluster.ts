// A Redis Cluster, by option or by an address such as
//
//   redis-cluster://user:password@node-1:7000,node-2:7001
//
// and who serves what only reads. User, password and TLS are those of all its nodes.

import { withoutBrackets } from './checks.js';
import { DEFAULTS } from './defaults.js';
import type { ClusterOptions, ClusterTarget } from './options.js';
import type { Problems } from './problems.js';
import type { AddressParts } from './url.js';

/** @param given Valid part by part. */
export function resolveCluster(
  given: Partial<ClusterOptions> | undefined,
  problems: Problems,
): ClusterTarget | undefined {
  if (given === undefined) return undefined;
  const { nodes, addressMap } = given;
  if (nodes === undefined && !problems.concern('cluster.nodes')) {
    problems.refuse('cluster.nodes', 'must be a list of { host, port }');
  }
  return Object.freeze<ClusterTarget>({
    nodes: Object.freeze(
      (nodes ?? []).map(({ host, port }) =>
        Object.freeze({ host: withoutBrackets(host), port: port ?? DEFAULTS.port }),
      ),
    ),
    addressMap,
  });
}

/** What contradicts a cluster, and what has no meaning without another part. */
export function checkCluster(parts: AddressParts, problems: Problems): void {
  const { cluster, database, reads, zone } = parts;
  if (cluster !== undefined && database !== undefined && database !== 0) {
    problems.refuse('database', 'must be 0 (REDIS_DB too): a cluster has no other');
  }
  if (problems.concern('reads', 'zone', 'url', 'REDIS_URL')) return;
  if (reads === 'nearest-zone' && zone === undefined) {
    problems.refuse('zone', "must be given for reads: 'nearest-zone'");
  }
  if (reads !== 'nearest-zone' && zone !== undefined) {
    problems.refuse('zone', "is of use with reads: 'nearest-zone' alone");
  }
}
