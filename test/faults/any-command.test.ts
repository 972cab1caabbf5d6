// Random commands of the whole table with random arguments, alone, in transactions, in pipelines and
// on leases, while the server's ACL forbids ever other ones and some are renamed away: beside
// 1,000 checked readers, each of whom must get exactly his own value or an error.
// TEST_SECONDS makes it longer.

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';

import { createPool, type Pool } from '../../src/index.js';
import { COMMAND_METADATA } from '../../src/wire/protocol.js';
import { countCodes, type Outcome, outcomeOf } from '../support/outcome.js';
import { seededRandom } from '../support/seeded-random.js';
import { describeEachPrivateServer } from '../support/servers.js';

const READERS = 1_000;
const SECONDS = Number(process.env.TEST_SECONDS ?? 4);
const random = seededRandom();
const RESP = random.pick([2, 3] as const);

/** They would take the readers' values or the server away, or hold it up for long. */
const SPARED = new Set([
  'bgrewriteaof',
  'bgsave',
  'debug',
  'failover',
  'flushall',
  'flushdb',
  'migrate',
  'pfselftest',
  'replicaof',
  'save',
  'shutdown',
  'slaveof',
  'swapdb',
  'client pause',
  'config set',
  'config rewrite',
]);

/** Renamed away for all of a run, each with even odds. */
const RENAMED = ['EXEC', 'MULTI', 'DISCARD', 'UNWATCH', 'WATCH', 'SELECT', 'GETSET', 'ECHO'].filter(
  () => random.integer(0, 1) === 0,
);

const NAMES: readonly (readonly string[])[] = Object.entries(COMMAND_METADATA).flatMap(
  ([module, commands]) =>
    Object.entries(commands as Record<string, { subcommands?: object }>).flatMap(
      ([name, entry]) => {
        const full = module === 'std' ? name : `${module}.${name}`;
        const subcommands = Object.keys(entry.subcommands ?? {});
        const all = subcommands.length === 0 ? [[full]] : subcommands.map((word) => [full, word]);
        return all.filter((words) => !SPARED.has(full) && !SPARED.has(words.join(' ')));
      },
    ),
);

const SCRATCH = Array.from({ length: 12 }, (_, index) => `scratch:${index}`);
const WORDS = [
  ...['0', '1', '2', '-1', '10', '0.01', '', '*', '$', '>', '0-0', 'YES', 'NO', 'ON', 'OFF'],
  ...['GET', 'SET', 'EX', 'NX', 'COUNT', 'BLOCK', 'STREAMS', 'STORE', 'LIMIT', 'WITHSCORES'],
  ...['GROUP', 'LEFT', 'RIGHT', 'MATCH', 'constructor', '__proto__', '+OK\r\n', '$3\r\nabc\r\n'],
  "return redis.call('get', 'reader:0')",
  "return redis.error_reply('TRYAGAIN x')",
];

class Disturber {
  readonly outcomes: Outcome[] = [];

  constructor(readonly pool: Pool) {}

  async run(until: number): Promise<void> {
    while (performance.now() < until) {
      this.outcomes.push(await outcomeOf(() => this.#act()));
      if (random.integer(0, 3) === 0) await sleep(random.integer(0, 3));
    }
  }

  #act(): Promise<unknown> {
    const { pool } = this;
    const client = impatient(pool.client);
    switch (random.integer(0, 5)) {
      case 0:
        return this.#batch(client).exec();
      case 1:
        return this.#batch(client).execAsPipeline();
      case 2:
        return pool.withLease((leased) => this.#borrow(leased), { timeoutMs: 400 });
      default:
        return client.sendCommand(this.#command());
    }
  }

  /** A borrower who does anything, waits for some of it, and leaves the rest behind. */
  async #borrow(leased: Pool['client']): Promise<void> {
    const client = impatient(leased);
    for (let left = random.integer(1, 5); left > 0; left--) {
      const batch = this.#batch(client);
      const reply: Promise<unknown> =
        random.integer(0, 3) > 0 ? client.sendCommand(this.#command()) : batch.exec();
      const settled = reply.catch(() => undefined);
      if (random.integer(0, 2) > 0) await settled;
    }
  }

  #batch(client: Pool['client']) {
    const multi = client.multi();
    for (let left = random.integer(1, 4); left > 0; left--) multi.addCommand(this.#command());
    return multi;
  }

  #command(): string[] {
    const likely = [['multi'], ['exec'], ['discard'], ['watch'], ['select'], ['eval'], ['hello']];
    const words = random.integer(0, 9) === 0 ? random.pick(likely) : random.pick(NAMES);
    const count = random.integer(0, 5);
    const args = Array.from({ length: count }, () =>
      random.pick(random.integer(0, 1) === 0 ? SCRATCH : WORDS),
    );
    return [...words, ...args].map((word, index) => this.#spelled(word, index));
  }

  #spelled(word: string, index: number): string {
    const draw = random.integer(0, 9);
    if (draw === 0) return Buffer.from(word) as unknown as string;
    return index < 2 && draw < 5 ? word.toUpperCase() : word;
  }
}

class Readers {
  readonly wrong: object[] = [];
  readonly outcomes: Outcome[] = [];
  #taken = 0;

  constructor(readonly pool: Pool) {}

  async fill(): Promise<void> {
    await Promise.all(
      Array.from({ length: READERS }, (_, id) => this.pool.client.set(`reader:${id}`, `of ${id}`)),
    );
  }

  async read(id: number, until: number): Promise<void> {
    const { client } = this.pool;
    while (performance.now() < until) {
      const text = `${id}-${this.#taken++}`;
      const key = `reader:${id}`;
      switch (random.integer(0, 5)) {
        case 0:
          await this.#check(client.multi().get(key).set(`${key}:own`, text).exec(), [
            `of ${id}`,
            'OK',
          ]);
          break;
        case 1:
          await this.#check(client.multi().get(key).strLen(key).execAsPipeline(), [
            `of ${id}`,
            `of ${id}`.length,
          ]);
          break;
        case 2:
          await this.#check(client.getRange(key, 1, -1), `f ${id}`);
          break;
        default:
          await this.#check(client.get(key), `of ${id}`);
      }
    }
  }

  async #check(reply: Promise<unknown>, expected: unknown): Promise<void> {
    const outcome = await outcomeOf(reply);
    this.outcomes.push(outcome);
    if (outcome.error !== undefined) return;
    if (JSON.stringify(outcome.value) === JSON.stringify(expected)) return;
    this.wrong.push({ expected, value: outcome.value });
  }
}

/** What blocks for ever has no deadline of its own. */
function impatient(client: Pool['client']): Pool['client'] {
  const options = { timeout: 400, abortSignal: AbortSignal.timeout(400) };
  return client.withCommandOptions(options) as unknown as Pool['client'];
}

/** Forbids a few commands, ever others, one of the readers' own among them. */
async function forbid(admin: Pool, until: number): Promise<void> {
  while (performance.now() < until) {
    const words = Array.from({ length: random.integer(0, 6) }, () => random.pick(NAMES));
    const likely = ['exec', 'multi', 'discard', 'unwatch', 'select', 'watch', 'get', 'ping'];
    const rules = [...words.map((name) => name.join('|')), random.pick(likely)];
    const setUser = ['ACL', 'SETUSER', 'limited', '+@all', ...rules.map((rule) => `-${rule}`)];
    // A rule for a command that this server doesn't know is refused, the whole line with it.
    await admin.client.sendCommand(setUser).catch(() => undefined);
    await sleep(random.integer(5, 60));
  }
  await admin.client.sendCommand(['ACL', 'SETUSER', 'limited', '+@all']);
}

describeEachPrivateServer(
  'beside any command, refused or not,',
  (server) => {
    test('each reader gets his own value', { timeout: (SECONDS + 60) * 1_000 }, async () => {
      console.log(`seed ${random.seed}, RESP${RESP}, renamed away: ${RENAMED.join(' ')}`);
      const admin = createPool({ url: server().url, maxConnections: 1 }, {}) as unknown as Pool;
      const user = ['on', '>secret', '~*', '&*', '+@all'];
      await admin.client.sendCommand(['ACL', 'SETUSER', 'limited', ...user]);
      const login = { username: 'limited', password: 'secret', RESP };
      const options = { url: server().url, maxConnections: 16, ...login };
      const pool = createPool(options, {}) as unknown as Pool;
      const readers = new Readers(pool);
      await readers.fill();
      const disturber = new Disturber(pool);
      const end = performance.now() + SECONDS * 1_000;
      await Promise.all([
        forbid(admin, end),
        ...Array.from({ length: READERS }, (_, id) => readers.read(id, end)),
        ...Array.from({ length: 30 }, () => disturber.run(end)),
      ]);
      const { counters } = pool.status();
      console.log(
        'readers',
        countCodes(readers.outcomes),
        'others',
        countCodes(disturber.outcomes),
      );
      console.log(`${counters.opened} connections, evicted:`, counters.evictions);
      expect(readers.wrong.slice(0, 5)).toEqual([]);
      expect(readers.outcomes.filter(({ error }) => error === undefined).length).toBeGreaterThan(
        1_000,
      );
      await Promise.all([pool.close(), admin.close()]);
    });
  },
  { args: RENAMED.flatMap((name) => ['--rename-command', name, '']) },
);
