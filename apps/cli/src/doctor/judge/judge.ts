// All judgements together: facts in, findings out. Nothing here asks anybody.

import type { Facts } from '../facts.js';
import { type Finding, mostSevereFirst, placed, type Verdict } from '../finding.js';
import { judgeCluster } from './cluster.js';
import { judgeConnections } from './connections.js';
import { judgeHost } from './host.js';
import { judgeLatency } from './latency.js';
import { judgeMemory } from './memory.js';
import { judgePersistence } from './persistence.js';
import { judgeFailure } from './reach.js';
import { judgeReplication } from './replication.js';
import { judgeSecurity } from './security.js';
import { judgeVersion } from './version.js';

export const THIS_HOST = 'this host';
export const THE_ENVIRONMENT = 'the environment';

export function judge(facts: Facts): Finding[] {
  const { pool, host, servers, failures, nowMs } = facts;
  return mostSevereFirst([
    ...failures.flatMap((failure) => placed(judgeFailure(failure, nowMs), failure.address)),
    ...servers.flatMap((server) => {
      const verdicts = [
        ...judgeConnections(server, pool),
        ...judgeMemory(server),
        ...judgePersistence(server),
        ...judgeLatency(server),
        ...judgeSecurity(server, pool, nowMs),
        ...judgeReplication(server, pool),
        ...judgeVersion(server),
      ];
      return placed(verdicts, server.address);
    }),
    ...judgeCluster(servers),
    ...placed(judgeHost(host, pool, servers), THIS_HOST),
    ...placed(judgeWarnings(facts), THE_ENVIRONMENT),
  ]);
}

/** Of an environment that the pool refuses: nothing else can be looked at. */
export function judgeProblems(problems: readonly string[]): Finding[] {
  const verdict: Verdict = {
    code: 'CONFIGURATION_INVALID',
    severity: 'critical',
    number: problems.length,
    message: `The pool would refuse this environment (problems: ${problems.length}): ${problems.join('; ')}.`,
    cure: 'docs/configuration.md has each variable with its range.',
  };
  return placed([verdict], THE_ENVIRONMENT);
}

function judgeWarnings({ configurationWarnings: warnings }: Facts): Verdict[] {
  if (warnings.length === 0) return [];
  return [
    {
      code: 'CONFIGURATION_WARNING',
      severity: 'notice',
      number: warnings.length,
      message: `Without effect in this environment (${warnings.length}): ${warnings.join('; ')}.`,
      cure: 'Remove it, or correct its name.',
    },
  ];
}
