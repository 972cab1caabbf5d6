// What the product replaces, made again on this machine: one worker with a checkout pool, four workers
// that share no store, and the service as it is. The same users, driven the same way.

import { readFileSync, writeFileSync } from 'node:fs';
import { createPool } from 'plimsoll';
import { type Driven, drive } from './drive.js';
import { databaseOf, withDatabase } from './own-store.js';
import { comparedPhase } from './phases.js';
import type { Section } from './report.js';
import type { Service, ServiceOptions } from './service.js';
import type { Stage } from './stage.js';
import { failurePercent } from './verdict.js';
import { warmUp } from './warm-up.js';

export const BEFORE_TITLE = 'compared with what it replaces';
const WORKERS = 4;
/** Keys of accounts: those are in every store, as if they were in a database of their own. */
const ACCOUNTS = 'auth:{*}:user:*';
const SCAN_COUNT = 1_000;

interface Setup {
  readonly name: string;
  /** As the user of what is replaced measured it, elsewhere and with another service. */
  readonly asReported: string;
  readonly options: Omit<ServiceOptions, 'redisUrl'>;
}

const SETUPS: readonly Setup[] = [
  {
    name: 'one worker, checkout pool of 100',
    asReported: '3.76 % failures, p95 33,000 ms',
    options: { workers: 1, driver: 'redis-pool' },
  },
  {
    name: 'four workers, no shared store',
    asReported: '43.85 % failures, p95 23,000 ms',
    options: { workers: WORKERS, hasOwnStores: true },
  },
  { name: 'four workers on Plimsoll', asReported: '', options: {} },
];

export async function compareBefore(stage: Stage, scale: number): Promise<Section> {
  const phase = comparedPhase(scale);
  const seconds = phase.seconds.short;
  const measured: [Setup, Driven][] = [];
  for (const setup of SETUPS) {
    const started = await stage.startService(setup.options);
    const service =
      setup.options.hasOwnStores === true ? withAccountsEverywhere(stage, started) : started;
    try {
      await warmUp(service, scale);
      measured.push([setup, await drive(stage, service, phase, { seconds })]);
    } finally {
      await started.stop();
      await stage.forget();
    }
  }
  return {
    title: BEFORE_TITLE,
    how: `${phase.users.toLocaleString('en-US')} users of the stress phase, ${seconds} s each after a warm-up`,
    rows: [],
    details: [
      {
        title: 'Before and after',
        columns: ['service', 'requests/s', 'p50 ms', 'p95 ms', 'p99 ms', 'failures', 'as reported'],
        rows: measured.map(([setup, driven]) => cells(setup, driven)),
      },
    ],
    notes: [
      'The reported figures are those of another service in another language; here all three are this ' +
        'service, so what differs is the pool and the sharing alone.',
      'Without a shared store a session is known to the worker that began it. Whoever connects anew ' +
        'meets another one three times in four, gets 401 and logs in again.',
    ],
  };
}

function cells({ name, asReported }: Setup, { result }: Driven): string[] {
  const { throughput, p50Ms, p95Ms, p99Ms } = result;
  return [
    name,
    throughput.toFixed(0),
    ...[p50Ms, p95Ms, p99Ms].map((ms) => ms.toFixed(1)),
    `${failurePercent(result).toFixed(2)} %`,
    asReported,
  ];
}

/** Sessions are spread over the workers' stores, accounts are in all of them. */
function withAccountsEverywhere(stage: Stage, service: Service): Service {
  const databases = Array.from({ length: WORKERS }, (_, index) => databaseOf(index + 1));
  return {
    ...service,
    async provision(name, users) {
      const share = Math.ceil(users / WORKERS);
      const lines: string[] = [];
      let file = '';
      for (const database of databases) {
        const redisUrl = withDatabase(stage.redisUrl, database);
        file = await service.provision(`${name}-${database}`, share, { redisUrl });
        lines.push(...readFileSync(file, 'utf8').trim().split('\n'));
        await copyAccounts(
          redisUrl,
          databases.filter((other) => other !== database),
        );
      }
      writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 });
      return file;
    },
  };
}

async function copyAccounts(redisUrl: string, databases: readonly number[]): Promise<void> {
  const pool = createPool({ url: redisUrl, maxConnections: 1, name: 'copy-accounts' }, {});
  try {
    const { client } = pool;
    for await (const keys of client.scanIterator({ MATCH: ACCOUNTS, COUNT: SCAN_COUNT })) {
      await Promise.all(
        keys.flatMap((key) => databases.map((DB) => client.copy(key, key, { DB, REPLACE: true }))),
      );
    }
  } finally {
    await pool.close();
  }
}
