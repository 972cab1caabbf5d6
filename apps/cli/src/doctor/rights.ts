// What the pool sends by itself, tried without effect: a server tells of a missing right before it looks
// at anything else. What the application sends, its keys and channels, is not the doctor's to know.

import type { Pool } from 'plimsoll';
import type { MissingRight, PoolFacts } from './facts.js';
import { aclNameOf } from './interview.js';

interface Need {
  readonly words: readonly string[];
  readonly isEssential: boolean;
  /** What the pool does worse without it. */
  readonly cost: string;
  /** Default: always. */
  readonly when?: (pool: PoolFacts) => boolean;
}

/** Nobody has this number: CLIENT IDs begin at 1. */
const NOBODY = '0';
/** What pools claim their maximum in, see docs/autoscale.md. */
const GROWTH_KEY = 'plimsoll:autoscale';

const NEEDS: readonly Need[] = [
  need(['PING'], true, 'health checks prove nothing'),
  {
    ...need(['SELECT', '0'], true, 'connections cannot be opened in the database of REDIS_DB'),
    when: ({ database }) => database !== 0,
  },
  need(['MULTI'], false, 'transactions fail'),
  need(['DISCARD'], false, 'leases in a transaction are closed, not given back'),
  need(['UNWATCH'], false, 'leases with watched keys are closed, not given back'),
  need(
    ['CLIENT', 'UNBLOCK', NOBODY],
    false,
    'blocking calls that are cancelled may lose an element',
  ),
  need(['CLIENT', 'LIST', 'ID', NOBODY], false, 'a dead connection is found later'),
  need(['CLIENT', 'SETNAME', 'plimsoll-doctor'], false, 'connections have no name on the server'),
  {
    ...need(['CLUSTER', 'SLOTS'], true, 'the nodes of the cluster are not found'),
    when: ({ isCluster }) => isCluster,
  },
  {
    ...need(['CLUSTER', 'INFO'], false, 'a node that fell out of its cluster is believed'),
    when: ({ isCluster }) => isCluster,
  },
  {
    ...need(['READONLY'], true, 'replicas of the cluster serve no reads'),
    when: ({ isCluster, usesReplicas }) => isCluster && usesReplicas,
  },
  {
    ...need(['ROLE'], false, 'a primary that was demoted is found by its refusals alone'),
    when: ({ asksSentinels, usesReplicas }) => asksSentinels || usesReplicas,
  },
  {
    ...need(['INFO', 'server'], false, 'the zone of a server, or room to grow, is not known'),
    when: ({ usesZones, mayGrow }) => usesZones || mayGrow,
  },
  {
    ...need(
      ['EVAL', 'return 1', '1', GROWTH_KEY],
      false,
      'the pool cannot grow, see docs/autoscale.md',
    ),
    when: ({ mayGrow }) => mayGrow,
  },
];

function need(words: readonly string[], isEssential: boolean, cost: string): Need {
  return { words, isEssential, cost };
}

/** Each on a lease of its own, as a refusal may end the connection, and what was changed is undone. */
export async function missingRights(pool: Pool, facts: PoolFacts): Promise<MissingRight[]> {
  const missing: MissingRight[] = [];
  for (const { words, isEssential, cost, when } of NEEDS) {
    if (when?.(facts) === false) continue;
    const error: unknown = await pool
      .withLease(async (client) => void (await client.sendCommand([...words])))
      .catch((reason: unknown) => reason);
    if (isRefusal(error)) missing.push({ right: aclNameOf(words), isEssential, cost });
  }
  return missing;
}

/** NOPERM, or a command that was renamed away; an older server's `unknown subcommand` is none. */
function isRefusal(error: unknown): boolean {
  const message = error instanceof Error ? error.message : '';
  return /^NOPERM\b/.test(message) || /^ERR unknown command\b/i.test(message);
}
