// Would the data be there again after a restart, and what does keeping it cost?

import type { ServerFacts } from '../facts.js';
import type { Verdict } from '../finding.js';
import { counted, keysOf, numberOf, round } from './numbers.js';

/** The server answers nobody while it forks. */
const SLOW_FORK_MS = 100;

export function judgePersistence(server: ServerFacts): Verdict[] {
  const { info } = server;
  if (info === undefined) return [];
  if (info.loading === '1') return [loading(numberOf(info, 'loading_loaded_perc') ?? 0)];
  return [...judgeSaving(server), ...judgeAof(server), ...judgeFork(server)];
}

function loading(number: number): Verdict {
  return {
    code: 'LOADING',
    severity: 'critical',
    number,
    message: `The server loads its data (${number} % are there) and answers nobody until then.`,
    cure: 'Wait; the pool goes on by itself. A larger breaker.patienceMs spares callers the errors.',
  };
}

function judgeSaving({ info, config }: ServerFacts): Verdict[] {
  const verdicts: Verdict[] = [];
  const saves = config?.save !== '';
  const hasAof = info?.aof_enabled === '1';
  if (config !== undefined && !saves && !hasAof) {
    const { total } = keysOf(info);
    const hasReplicas = (numberOf(info, 'connected_slaves') ?? 0) > 0;
    verdicts.push({
      code: 'PERSISTENCE_OFF',
      severity: 'notice',
      number: total,
      message:
        `Neither save nor appendonly is on: a restart loses ${counted(total, 'key')}` +
        `${hasReplicas ? ', and its replicas copy that' : ''}.`,
      cure: 'Right for a cache alone. For sessions and jobs: appendonly yes, appendfsync everysec.',
    });
  }
  if (info?.rdb_last_bgsave_status === 'err') {
    const number = numberOf(info, 'rdb_changes_since_last_save') ?? 0;
    const refuses = saves && config?.['stop-writes-on-bgsave-error'] !== 'no';
    verdicts.push({
      code: 'SAVE_FAILED',
      severity: refuses ? 'critical' : 'warning',
      number,
      message:
        `The last save failed; ${counted(number, 'change')} are on no disk` +
        `${refuses ? ', and the server refuses writes (MISCONF)' : ''}.`,
      cure: 'Look for the reason in the log of the server: disk full, no right to write, no memory to fork (vm.overcommit_memory 1). Then BGSAVE.',
    });
  }
  return verdicts;
}

function judgeAof({ info }: ServerFacts): Verdict[] {
  if (info?.aof_enabled !== '1') return [];
  const verdicts: Verdict[] = [];
  const cannotWrite = info.aof_last_write_status === 'err';
  const cannotRewrite = info.aof_last_bgrewrite_status === 'err';
  const number = Number(cannotWrite) + Number(cannotRewrite);
  if (number > 0) {
    verdicts.push({
      code: 'AOF_FAILED',
      severity: cannotWrite ? 'critical' : 'warning',
      number,
      message: cannotWrite
        ? `The append-only file cannot be written (${counted(number, 'failure')}): the server refuses writes (MISCONF).`
        : `The last rewrite of the append-only file failed (${counted(number, 'failure')}): it grows.`,
      cure: 'Look for the reason in the log of the server: disk full, no right to write, no memory to fork.',
    });
  }
  const delays = numberOf(info, 'aof_delayed_fsync') ?? 0;
  if (delays > 0) {
    verdicts.push({
      code: 'AOF_DELAYED',
      severity: 'warning',
      number: delays,
      message: `The disk was too slow for the append-only file: ${counted(delays, 'delay')} since the start, in which all callers wait.`,
      cure: 'A faster disk, no other writers on it, or no-appendfsync-on-rewrite yes.',
    });
  }
  return verdicts;
}

function judgeFork({ info }: ServerFacts): Verdict[] {
  const number = round((numberOf(info, 'latest_fork_usec') ?? 0) / 1000);
  if (number < SLOW_FORK_MS) return [];
  return [
    {
      code: 'FORK_SLOW',
      severity: 'warning',
      number,
      message: `The last fork, for a save or a replica, took ${number} ms; nobody was answered meanwhile.`,
      cure: 'Switch transparent huge pages off, keep servers small (several of 10 GiB rather than one of 100), save on a replica.',
    },
  ];
}
