// The README's first command: a real server, the pool in production shape, real traffic of four
// kinds, and a table of what happened. Exit code 1 when anything went wrong.

import { createPool, type Pool } from 'plimsoll';
import { openServer } from '../redis-server.js';
import { textTable } from '../text-table.js';
import { callersFor, Phase } from './phase.js';

const PREFIX = 'plimsoll:demo:';
const KEYS = 1_000;
const ACCOUNTS = 20;
const OPENING_BALANCE = 1_000;
const JOBS = 500;

async function main(): Promise<number> {
  const server = await openServer();
  const pool = createPool({ url: server.url, environment: 'production', keyPrefix: PREFIX });
  try {
    const { version } = await serverFacts(pool);
    const { max } = pool.status().connections;
    console.log(`Server: ${version}. This worker's share of the production budget: ${max}.\n`);
    await prepare(pool);
    const phases = [
      await ordinaryCommands(pool),
      await transfers(pool),
      await blockingBesideOrdinary(pool),
      await tenThousandCallers(pool),
    ];
    await cleanUp(pool);
    return report(pool, phases);
  } finally {
    await pool.close();
    await server.stop();
  }
}

async function serverFacts(pool: Pool): Promise<{ version: string }> {
  const info = await pool.client.info('server');
  const find = (field: string) => new RegExp(`${field}:(\\S+)`).exec(info)?.[1];
  const valkey = find('valkey_version');
  return { version: valkey ? `Valkey ${valkey}` : `Redis ${find('redis_version')}` };
}

async function prepare(pool: Pool): Promise<void> {
  const redis = pool.client;
  const value = 'x'.repeat(100);
  const keys = Array.from({ length: KEYS }, (_, index) => redis.set(`key:${index}`, value));
  const accounts = Array.from({ length: ACCOUNTS }, (_, index) =>
    redis.set(`account:${index}`, String(OPENING_BALANCE)),
  );
  await Promise.all([
    ...keys,
    ...accounts,
    redis.hSet('profile', { name: 'Ada', role: 'captain' }),
  ]);
}

/** 200 callers of ordinary commands: they share a few connections. */
async function ordinaryCommands(pool: Pool): Promise<Phase> {
  const redis = pool.client;
  const phase = new Phase('200 callers, ordinary commands');
  await phase.run(pool, () =>
    callersFor(4_000, 200, async (caller) => {
      await phase.measure(() => redis.get(`key:${caller}`));
      await phase.measure(() => redis.set(`key:${caller}`, 'y'.repeat(100)));
      await phase.measure(() => redis.incr('visits'));
      await phase.measure(() => redis.hGetAll('profile'));
    }),
  );
  return phase;
}

/** WATCH, read, MULTI, EXEC on a leased connection each; no money may appear or vanish. */
async function transfers(pool: Pool): Promise<Phase> {
  const phase = new Phase('20 callers, WATCH/MULTI on leases');
  await phase.run(pool, () =>
    callersFor(3_000, 20, (caller) => phase.measure(() => transfer(pool, caller))),
  );
  const names = Array.from({ length: ACCOUNTS }, (_, index) => `account:${index}`);
  const balances = await pool.client.mGet(names);
  const sum = balances.reduce((total, balance) => total + Number(balance), 0);
  if (sum !== ACCOUNTS * OPENING_BALANCE) phase.fail(new Error(`the accounts sum up to ${sum}`));
  return phase;
}

async function transfer(pool: Pool, caller: number): Promise<void> {
  const from = `account:${caller % ACCOUNTS}`;
  const to = `account:${(caller + 1 + Math.floor(Math.random() * (ACCOUNTS - 1))) % ACCOUNTS}`;
  await pool.withLease(async (redis) => {
    await redis.watch([from, to]);
    const balance = Number(await redis.get(from));
    if (balance <= 0) {
      await redis.unwatch();
      return;
    }
    try {
      await redis.multi().decr(from).incr(to).exec();
    } catch (error) {
      // Somebody else changed an account meanwhile: the transfer did not happen, as it should be.
      if ((error as Error).constructor.name !== 'WatchError') throw error;
    }
  });
}

/** Workers block in BLPOP on connections of their own while 100 callers go on undisturbed. */
async function blockingBesideOrdinary(pool: Pool): Promise<Phase> {
  const redis = pool.client;
  const phase = new Phase('4 blocking workers, 100 callers');
  await phase.run(pool, async () => {
    let done = 0;
    const workers = Array.from({ length: 4 }, async () => {
      while ((await redis.blPop('jobs', 1)) !== null) done++;
    });
    await callersFor(3_000, 100, async (caller) => {
      await phase.measure(() => redis.get(`key:${caller}`));
      if (caller === 0 && done < JOBS) await phase.measure(() => redis.rPush('jobs', 'job'));
    });
    await Promise.all(workers).catch((error) => phase.fail(error));
    if (done === 0) phase.fail(new Error('the workers got no job'));
  });
  return phase;
}

async function tenThousandCallers(pool: Pool): Promise<Phase> {
  const redis = pool.client;
  const phase = new Phase('10,000 callers at once');
  await phase.run(pool, () =>
    callersFor(4_000, 10_000, (caller) => phase.measure(() => redis.get(`key:${caller % KEYS}`))),
  );
  return phase;
}

async function cleanUp(pool: Pool): Promise<void> {
  // Found keys carry the prefix already, so they are removed without another one.
  const bare = pool.client.duplicate({ keyPrefix: '' });
  for await (const keys of bare.scanIterator({ MATCH: `${PREFIX}*`, COUNT: 500 })) {
    if (keys.length > 0) await bare.unlink(keys);
  }
}

function report(pool: Pool, phases: readonly Phase[]): number {
  const status = pool.status();
  const titles = ['operations', 'ops/s', 'p50', 'p95', 'p99', 'connections', 'peak use', 'errors'];
  const columns = [
    { title: 'phase', align: 'left' as const },
    ...titles.map((title) => ({ title, align: 'right' as const })),
  ];
  console.log(
    `\n${textTable(
      columns,
      phases.map((phase) => phase.row(status.connections.max)),
    )}`,
  );
  const { counters } = status;
  console.log(
    `\nOpened ${counters.opened} connections of the budget of ${status.connections.max}; ` +
      `${counters.leases.toLocaleString('en-US')} leases, ${counters.exhausted} exhaustions, ` +
      `${counters.retries} retries, ${counters.timeouts} timeouts.`,
  );
  const failed = phases.filter((phase) => phase.errors > 0);
  for (const phase of failed) console.error(`${phase.title}:`, phase.firstError);
  return failed.length === 0 ? 0 : 1;
}

process.exitCode = await main();
