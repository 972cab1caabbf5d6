// Does this host let the pool open what it may open?

import type { HostFacts, PoolFacts, ServerFacts } from '../facts.js';
import type { Verdict } from '../finding.js';
import { round } from './numbers.js';

/** For the users' own connections, files and the rest, in each worker. */
const OTHER_DESCRIPTORS = 1_000;
const NEAR_PERCENT = 80;

export function judgeHost(
  host: HostFacts,
  pool: PoolFacts,
  servers: readonly ServerFacts[],
): Verdict[] {
  return [...judgeDescriptors(host, pool), ...judgePorts(host, pool, servers)];
}

function judgeDescriptors({ openFilesLimit }: HostFacts, { maxConnections }: PoolFacts): Verdict[] {
  if (openFilesLimit === undefined || openFilesLimit >= maxConnections + OTHER_DESCRIPTORS)
    return [];
  return [
    {
      code: 'DESCRIPTORS_SHORT',
      severity: openFilesLimit < maxConnections ? 'critical' : 'warning',
      number: openFilesLimit,
      message: `A process may have ${openFilesLimit} files and sockets open; a worker takes up to ${maxConnections} for Redis, and one for each user who is connected.`,
      cure: 'LimitNOFILE=65536 in the systemd unit, --ulimit nofile=65536 for a container, ulimit -n before the start.',
    },
  ];
}

function judgePorts(
  { ports }: HostFacts,
  pool: PoolFacts,
  servers: readonly ServerFacts[],
): Verdict[] {
  if (ports === undefined || ports === 0) return [];
  const open = Math.max(0, ...servers.map(({ localSockets = 0 }) => localSockets));
  const budget = pool.workers * pool.maxConnections;
  const percent = round((100 * Math.max(open, budget)) / ports);
  if (percent <= NEAR_PERCENT) return [];
  return [
    {
      code: 'PORTS_SHORT',
      severity: percent > 100 ? 'critical' : 'warning',
      number: ports,
      message: `This host has ${ports} local ports for one server; ${open} are taken now, and all workers may open ${budget}.`,
      cure: 'sysctl net.ipv4.ip_local_port_range="1024 65535", fewer connections a worker, or workers on several hosts.',
    },
  ];
}
