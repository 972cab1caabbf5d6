// Is it the primary, do its replicas follow, and would one be there to take over?

import type { PoolFacts, ServerFacts } from '../facts.js';
import type { Verdict } from '../finding.js';
import { bytesText, counted, numberOf, replicasOf } from './numbers.js';

const LAG_SECONDS = 10;
const LONG_LAG_SECONDS = 60;

export function judgeReplication({ info, config }: ServerFacts, pool: PoolFacts): Verdict[] {
  if (info?.role === 'slave') return judgeReplica(info);
  if (info?.role !== 'master') return [];
  const verdicts: Verdict[] = [];
  const replicas = replicasOf(info);
  const offline = replicas.filter(({ state }) => state !== 'online').length;
  if (offline > 0) {
    verdicts.push({
      code: 'REPLICA_OFFLINE',
      severity: 'warning',
      number: offline,
      message: `${counted(offline, 'replica')} of ${replicas.length} are not online: they are being filled, or cut off.`,
      cure: 'Where that lasts, raise repl-backlog-size and the output buffer of replicas, and read the log of the replica.',
    });
  }
  const lags = replicas.filter(({ state }) => state === 'online').sort(byLag);
  const [slowest] = lags;
  if (slowest !== undefined && slowest.lagSeconds > LAG_SECONDS) {
    const number = slowest.lagSeconds;
    verdicts.push({
      code: 'REPLICA_LAG',
      severity: number > LONG_LAG_SECONDS ? 'critical' : 'warning',
      number,
      message: `A replica has not said for ${number} s how far it is, and is ${bytesText(slowest.bytesBehind)} behind: what it lacks is lost at a failover.`,
      cure: 'Look at the network and the CPU of the replica; until then reads from it are old.',
    });
  }
  const wanted =
    numberOf(config, 'min-replicas-to-write') ?? numberOf(config, 'min-slaves-to-write') ?? 0;
  const good = numberOf(info, 'min_slaves_good_slaves') ?? lags.length;
  if (good < wanted) {
    verdicts.push({
      code: 'REPLICAS_TOO_FEW',
      severity: 'critical',
      number: wanted - good,
      message: `${counted(wanted - good, 'replica')} too few: the server refuses writes (NOREPLICAS) until ${wanted} follow closely.`,
      cure: 'Bring the replicas back, or lower min-replicas-to-write.',
    });
  }
  if (pool.asksSentinels && replicas.length === 0) {
    verdicts.push(withoutReplica(1, 'The primary behind the sentinels has no replica'));
  }
  return verdicts;
}

function byLag(one: { lagSeconds: number }, other: { lagSeconds: number }): number {
  return other.lagSeconds - one.lagSeconds;
}

export function withoutReplica(number: number, subject: string): Verdict {
  return {
    code: 'PRIMARY_WITHOUT_REPLICA',
    severity: 'warning',
    number,
    message: `${subject}: when it fails, nobody takes over.`,
    cure: 'Add a replica in another zone, or bring back the one that is gone.',
  };
}

function judgeReplica(info: Readonly<Record<string, string>>): Verdict[] {
  const verdicts: Verdict[] = [
    {
      code: 'NOT_PRIMARY',
      severity: 'critical',
      number: numberOf(info, 'connected_slaves') ?? 0,
      message: `This is a replica (of which ${info.connected_slaves ?? 0} others copy): writes fail with READONLY.`,
      cure: "Name the primary in the environment, or better the sentinels or the cluster, which know it: redis-sentinel://, redis-cluster://, reads: 'prefer-replica'.",
    },
  ];
  if (info.master_link_status !== 'down') return verdicts;
  const number = numberOf(info, 'master_link_down_since_seconds') ?? 0;
  verdicts.push({
    code: 'PRIMARY_LINK_DOWN',
    severity: 'critical',
    number,
    message: `This replica has lost its primary ${number} s ago: what it answers is old.`,
    cure: 'Look at the primary and the network between them; masteruser and masterauth where the password was changed.',
  });
  return verdicts;
}
