// Does the cluster serve all slots, and would it still when a node fails? Each node has a view of its
// own; of several that say the same the worst counts.

import type { ClusterFacts, ServerFacts } from '../facts.js';
import { type Finding, placed, type Verdict } from '../finding.js';
import { counted, numberOf } from './numbers.js';
import { withoutReplica } from './replication.js';

const SLOTS = 16_384;

export function judgeCluster(servers: readonly ServerFacts[]): Finding[] {
  const worst = new Map<string, Finding>();
  for (const { cluster, address } of servers) {
    if (cluster === undefined) continue;
    for (const finding of placed(judgeView(cluster), address)) {
      const known = worst.get(finding.code);
      if (known === undefined || known.number < finding.number) worst.set(finding.code, finding);
    }
  }
  return [...worst.values(), ...judgeMoves(servers)];
}

function judgeView({ info, nodes }: ClusterFacts): Verdict[] {
  const assigned = numberOf(info, 'cluster_slots_assigned') ?? SLOTS;
  const served = numberOf(info, 'cluster_slots_ok') ?? assigned;
  const verdicts: Verdict[] = [];
  if (info.cluster_state !== undefined && info.cluster_state !== 'ok') {
    verdicts.push({
      code: 'CLUSTER_DOWN',
      severity: 'critical',
      number: SLOTS - served,
      message: `The cluster is down (cluster_state:${info.cluster_state}); ${counted(SLOTS - served, 'slot')} are not served.`,
      cure: 'Bring the failing nodes back; CLUSTER FAILOVER TAKEOVER on a replica where most primaries are gone; cluster-require-full-coverage no lets the other slots go on.',
    });
  }
  if (assigned < SLOTS) {
    verdicts.push({
      code: 'SLOTS_UNCOVERED',
      severity: 'critical',
      number: SLOTS - assigned,
      message: `${counted(SLOTS - assigned, 'slot')} of ${SLOTS} belong to nobody: their keys are out of reach.`,
      cure: 'redis-cli --cluster check, then --cluster fix, or CLUSTER ADDSLOTSRANGE.',
    });
  }
  return [...verdicts, ...judgeNodes(nodes)];
}

function judgeNodes(nodes: ClusterFacts['nodes']): Verdict[] {
  const verdicts: Verdict[] = [];
  const isFailed = (flags: readonly string[]) => flags.includes('fail') || flags.includes('fail?');
  const failing = nodes.filter(({ flags }) => isFailed(flags));
  if (failing.length > 0) {
    const isServing = failing.some(({ slots, flags }) => slots > 0 && flags.includes('fail'));
    verdicts.push({
      code: 'NODES_FAILING',
      severity: isServing ? 'critical' : 'warning',
      number: failing.length,
      message: `${counted(failing.length, 'node')} of ${nodes.length} are failing: ${failing.map(({ address }) => address).join(', ')}.`,
      cure: 'Bring them back, or CLUSTER FORGET those that are gone for good, at every node.',
    });
  }
  const bare = nodes.filter(
    ({ id, flags, slots }) =>
      slots > 0 &&
      flags.includes('master') &&
      !nodes.some((other) => other.primaryId === id && !isFailed(other.flags)),
  );
  if (bare.length > 0) {
    const names = bare.map(({ address }) => address).join(', ');
    const subject = `${counted(bare.length, 'primary').replace('primarys', 'primaries')} without a replica (${names})`;
    verdicts.push(withoutReplica(bare.length, subject));
  }
  return verdicts;
}

/** A node tells of its own moves alone. */
function judgeMoves(servers: readonly ServerFacts[]): Finding[] {
  const movers = servers.flatMap(({ address, cluster }) => {
    const moving = cluster?.nodes.find(({ flags }) => flags.includes('myself'))?.moving ?? 0;
    return moving > 0 ? [{ address, moving }] : [];
  });
  const number = Math.max(0, ...movers.map(({ moving }) => moving));
  if (number === 0) return [];
  const verdict: Verdict = {
    code: 'SLOTS_MOVING',
    severity: 'notice',
    number,
    message: `${counted(number, 'slot')} are on the move at one node: commands for several of their keys wait (TRYAGAIN).`,
    cure: 'Where no move is under way, redis-cli --cluster fix ends what was left open.',
  };
  return placed([verdict], movers.map(({ address }) => address).join(', '));
}
