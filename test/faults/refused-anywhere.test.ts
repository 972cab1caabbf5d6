// A server that refuses any command anywhere, MULTI, EXEC and DISCARD too, beside 1,000 callers:
// each gets what is his own or an error, nothing runs twice, and what a caller was told is true.
// TEST_SECONDS makes it longer.

import { expect, test } from 'vitest';

import { createPool, MultiErrorReply, type Pool } from '../../src/index.js';
import { countCodes, type Outcome, outcomeOf } from '../support/outcome.js';
import { RefusingServer } from '../support/refusing-server.js';
import { type SeededRandom, seededRandom } from '../support/seeded-random.js';

const CALLERS = 1_000;
const SECONDS = Number(process.env.TEST_SECONDS ?? 3);

/** What was asked of the server: texts that come back, and marks among them. */
interface Batch {
  readonly texts: readonly string[];
  readonly marks: readonly string[];
}

class Checked {
  readonly wrong: object[] = [];
  readonly outcomes: Outcome[] = [];
  /** What callers were told of each mark: that it ran, that it did not, or nothing certain. */
  readonly told = new Map<string, 'ran' | 'did not run' | 'unknown'>();
  #taken = 0;

  constructor(
    readonly pool: Pool,
    readonly random: SeededRandom,
  ) {}

  async call(until: number): Promise<void> {
    while (performance.now() < until) await this.#once();
  }

  #once(): Promise<void> {
    const { client } = this.pool;
    const draw = this.random.integer(0, 99);
    if (draw < 50) {
      const text = this.#text('read');
      return this.#check(client.get(text), text);
    }
    if (draw < 60) {
      const text = this.#text('echo');
      return this.#check(client.echo(text), text);
    }
    if (draw < 70) return this.#transaction(client);
    if (draw < 80) return this.#pipeline(client);
    if (draw < 95) return this.#write();
    return this.#lease();
  }

  /** The server's own command, whose refusals are its word, or one that a module may have. */
  #verb(): string {
    return this.random.pick(['SET', 'SET', 'MARK']);
  }

  #text(kind: string): string {
    return `${kind}:${this.#taken++}`;
  }

  #batch(): Batch {
    const texts = Array.from({ length: this.random.integer(1, 4) }, () =>
      this.random.integer(0, 1) === 0 ? this.#text('mark') : this.#text('read'),
    );
    return { texts, marks: texts.filter((text) => text.startsWith('mark')) };
  }

  #filled(client: Pool['client'], { texts }: Batch) {
    const multi = client.multi();
    for (const text of texts) {
      if (text.startsWith('mark')) multi.addCommand([this.#verb(), text]);
      else multi.get(text);
    }
    return multi;
  }

  async #write(): Promise<void> {
    const mark = this.#text('mark');
    const outcome = await outcomeOf(this.pool.client.sendCommand([this.#verb(), mark]));
    this.#judge(outcome, mark);
    this.#note([mark], outcome);
  }

  async #transaction(client: Pool['client']): Promise<void> {
    const batch = this.#batch();
    const outcome = await outcomeOf(this.#filled(client, batch).exec() as Promise<unknown>);
    this.#judge(outcome, batch.texts);
    this.#note(batch.marks, outcome);
  }

  async #pipeline(client: Pool['client']): Promise<void> {
    const batch = this.#batch();
    const reply = this.#filled(client, batch).execAsPipeline() as Promise<unknown>;
    const outcome = await outcomeOf(reply);
    this.#judge(outcome, batch.texts);
    if (outcome.code === 'ok') this.#note(batch.marks, outcome);
  }

  async #lease(): Promise<void> {
    await this.pool
      .withLease(async (leased) => {
        if (this.random.integer(0, 1) === 0) await leased.watch('key');
        if (this.random.integer(0, 3) === 0) await leased.select(this.random.integer(0, 9));
        if (this.random.integer(0, 3) === 0) await leased.sendCommand(['MULTI']);
        else await this.#transaction(leased);
        if (this.random.integer(0, 3) === 0) await leased.sendCommand(['EXEC']);
        const text = this.#text('left behind');
        leased.get(text).catch(() => undefined);
      })
      // What the borrower does by hand may be refused; he sees it, and so do others.
      .catch(() => undefined);
  }

  async #check(reply: Promise<unknown>, expected: unknown): Promise<void> {
    this.#judge(await outcomeOf(reply), expected);
  }

  #judge(outcome: Outcome, expected: unknown): void {
    this.outcomes.push(outcome);
    if (outcome.error !== undefined) return;
    if (JSON.stringify(outcome.value) !== JSON.stringify(expected)) {
      this.wrong.push({ expected, value: outcome.value });
    }
  }

  #note(marks: readonly string[], { code, error }: Outcome): void {
    // EXEC's array has no refusals on this server, so whoever has one was not executed.
    const isUnknown = code === 'OUTCOME_UNKNOWN' || error instanceof MultiErrorReply;
    const told = code === 'ok' ? 'ran' : isUnknown ? 'unknown' : 'did not run';
    for (const mark of marks) this.told.set(mark, told);
  }
}

test('each gets his own or an error, nothing runs twice, and what they are told is true', {
  timeout: (SECONDS + 60) * 1_000,
}, async () => {
  const random = seededRandom();
  console.log(`seed ${random.seed}`);
  const book = new RefusingServer(random);
  await using server = await book.start();
  const pool = createPool({ url: server.url, maxConnections: 12, laneDepth: 100 }, {}) as Pool;
  const checked = new Checked(pool, random);
  const end = performance.now() + SECONDS * 1_000;
  await Promise.all(Array.from({ length: CALLERS }, () => checked.call(end)));

  const { counters } = pool.status();
  console.log(
    `${checked.outcomes.length} calls, ${book.refusals} refused, ${counters.retries} retries,`,
    `${counters.opened} connections;`,
    countCodes(checked.outcomes),
  );
  await pool.close();
  expect(checked.wrong.slice(0, 5)).toEqual([]);
  expect([...book.marks].filter(([, times]) => times > 1)).toEqual([]);
  const untrue = [...checked.told].filter(([mark, told]) => {
    const hasRun = book.marks.has(mark);
    return told !== 'unknown' && (told === 'ran') !== hasRun;
  });
  expect(untrue.slice(0, 5)).toEqual([]);
  expect(counters.evictions.unclean).toBeGreaterThan(0);
  expect(counters.retries).toBeGreaterThan(0);
});

test('where EXEC is unknown, transactions say so, and whoever shares their lanes goes on', async () => {
  const random = seededRandom();
  const book = new RefusingServer(random);
  book.oneIn = Number.MAX_SAFE_INTEGER;
  book.knowsExec = false;
  await using server = await book.start();
  const pool = createPool({ url: server.url, maxConnections: 4 }, {}) as Pool;
  await pool.client.echo('ready');
  const calls = Array.from({ length: 300 }, (_, index) => {
    if (index % 100 === 50) return outcomeOf(pool.client.multi().addCommand(['SET', 'tx']).exec());
    return outcomeOf(
      pool.client.sendCommand(index % 2 === 0 ? ['SET', `${index}`] : ['ECHO', `${index}`]),
    );
  });
  const outcomes = await Promise.all<Outcome>(calls);
  const seen = outcomes.map(({ value, code }) => value ?? code);
  expect(seen).toEqual(outcomes.map((_, index) => (index % 100 === 50 ? 'ERR' : `${index}`)));
  expect([...book.marks.values()].every((times) => times === 1)).toBe(true);
  expect(book.marks.has('tx')).toBe(false);
  await pool.close();
});
