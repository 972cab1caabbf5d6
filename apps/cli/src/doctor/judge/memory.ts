// Does the memory suffice, and what does the server do when it does not?

import type { ServerFacts } from '../facts.js';
import type { Verdict } from '../finding.js';
import { bytesText, counted, keysOf, numberOf, round } from './numbers.js';

const NEAR_PERCENT = 80;
const FULL_PERCENT = 95;
const SWAPPED_RATIO = 0.9;
const FRAGMENTED_RATIO = 1.5;
const VERY_FRAGMENTED_RATIO = 2;
/** Below it the ratio of two small numbers says nothing. */
const TELLING_BYTES = 100 * 1024 * 1024;

export function judgeMemory(server: ServerFacts): Verdict[] {
  return [...judgeLimit(server), ...judgePolicy(server), ...judgeResident(server)];
}

interface Memory {
  readonly used: number;
  readonly maximum: number;
  readonly policy: string;
}

export function memoryOf({ info, config }: ServerFacts): Memory | undefined {
  const used = numberOf(info, 'used_memory');
  const maximum = numberOf(config, 'maxmemory') ?? numberOf(info, 'maxmemory');
  if (used === undefined || maximum === undefined) return undefined;
  const policy = config?.['maxmemory-policy'] ?? info?.maxmemory_policy ?? 'noeviction';
  return { used, maximum, policy };
}

function judgeLimit(server: ServerFacts): Verdict[] {
  const memory = memoryOf(server);
  if (memory === undefined) return [];
  const { used, maximum, policy } = memory;
  if (maximum === 0) {
    return [
      {
        code: 'MEMORY_UNLIMITED',
        severity: 'warning',
        number: used,
        message: `maxmemory is 0: the server, at ${bytesText(used)} now, grows until the system ends it.`,
        cure: 'CONFIG SET maxmemory to what the host can spare; leave half of it free where the server forks to save.',
      },
    ];
  }
  const number = round((100 * used) / maximum);
  if (number <= NEAR_PERCENT) return [];
  const refuses = policy === 'noeviction';
  const isFull = number > FULL_PERCENT;
  if (!refuses && !isFull) return [];
  return [
    {
      code: 'MEMORY_NEAR',
      severity: refuses ? (isFull ? 'critical' : 'warning') : 'notice',
      number,
      message:
        `${number} % of maxmemory (${bytesText(maximum)}) is used; beyond it the server ` +
        `${refuses ? 'refuses writes (OOM)' : `evicts keys (${policy})`}.`,
      cure: 'Raise maxmemory, spread the data over more servers, or give keys an expiry; redis-cli --bigkeys finds the large ones.',
    },
  ];
}

function judgePolicy(server: ServerFacts): Verdict[] {
  const verdicts: Verdict[] = [];
  const memory = memoryOf(server);
  const keys = keysOf(server.info);
  const evicted = numberOf(server.info, 'evicted_keys') ?? 0;
  if (memory !== undefined && memory.maximum > 0) {
    const { policy } = memory;
    if (policy.startsWith('allkeys-')) {
      verdicts.push({
        code: 'EVICTS_ANY_KEY',
        severity: 'notice',
        number: keys.total,
        message: `maxmemory-policy is ${policy}: when memory is short, any of ${counted(keys.total, 'key')} may go, sessions and jobs too.`,
        cure: 'Right for a cache alone. For sessions, queues or locks: noeviction, on a server of their own.',
      });
    }
    if (policy.startsWith('volatile-') && keys.total > 0 && keys.expiring === 0) {
      verdicts.push({
        code: 'EVICTS_NOTHING',
        severity: 'warning',
        number: keys.total,
        message: `maxmemory-policy is ${policy}, but none of ${counted(keys.total, 'key')} expires: when memory is short, writes are refused.`,
        cure: 'Give what may go an expiry, or choose allkeys-lru for a cache.',
      });
    }
  }
  if (evicted > 0) {
    verdicts.push({
      code: 'KEYS_EVICTED',
      severity: 'warning',
      number: evicted,
      message: `The server has evicted ${counted(evicted, 'key')} since its start, as memory was short.`,
      cure: 'Raise maxmemory where that was no cache: what was evicted is lost, users are logged out.',
    });
  }
  return verdicts;
}

function judgeResident({ info }: ServerFacts): Verdict[] {
  const used = numberOf(info, 'used_memory') ?? 0;
  const resident = numberOf(info, 'used_memory_rss') ?? 0;
  const number = round(used === 0 ? 1 : resident / used);
  if (used < TELLING_BYTES || resident === 0) return [];
  if (number < SWAPPED_RATIO) {
    return [
      {
        code: 'MEMORY_SWAPPED',
        severity: 'warning',
        number,
        message: `Of ${bytesText(used)} only the ${number}-fold is in RAM: the rest is swapped out, and slow.`,
        cure: 'Give the host more RAM, or the server a lower maxmemory; vm.swappiness 1.',
      },
    ];
  }
  if (number <= FRAGMENTED_RATIO || resident - used < TELLING_BYTES) return [];
  return [
    {
      code: 'MEMORY_FRAGMENTED',
      severity: number > VERY_FRAGMENTED_RATIO ? 'warning' : 'notice',
      number,
      message: `The server takes ${number} times the RAM of its data (${bytesText(resident)} for ${bytesText(used)}).`,
      cure: 'CONFIG SET activedefrag yes; MEMORY PURGE; a restart of a replica, and a failover to it.',
    },
  ];
}
