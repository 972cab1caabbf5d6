// A reply never reaches the wrong caller. 100,000 commands of all sizes and kinds, whose replies
// follow from their keys, over a proxy that cuts replies at random bytes, while callers cancel and
// run into deadlines, connections are killed, leases come and go, and others block.

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';

import { createPool, type Pool, RESP_TYPES } from '../../src/index.js';
import { countCodes, type Outcome, outcomeOf } from '../support/outcome.js';
import { type SeededRandom, seededRandom } from '../support/seeded-random.js';
import { describeEachPrivateServer } from '../support/servers.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';

const COMMANDS = 100_000;
/** As many as a machine does in the time that has little of it to give. */
const LEAST_COMMANDS = 15_000;
const CALLERS = 200;
const KEYS = 400;
/** No command begins after this. */
const LIMIT_MS = 30_000;

/** Ways to fail that the faults of this test may cause, by what they met. */
const READ_FAILURES: readonly string[] = [];
const GIVEN_UP = ['ABORTED', 'COMMAND_TIMEOUT', 'ACQUIRE_TIMEOUT'];
const LOST = ['OUTCOME_UNKNOWN', 'CONNECTION_LOST'];

/** What stands at a key: its size and content follow from the key alone. */
function valuesOf(random: SeededRandom): string[] {
  return Array.from({ length: KEYS }, (_, key) => {
    const most = key % 80 === 0 ? 65_536 : random.pick([0, 10, 64, 64, 64, 64, 300, 2_000]);
    const size = random.integer(0, most);
    // Line ends and signs of RESP, and every tenth with more than one byte a character.
    const unit = `<${key}>\r\n$3\r\n+OK\r\n-ERR${key % 10 === 0 ? 'é€' : ''}`;
    return unit.repeat(Math.ceil(size / unit.length)).slice(0, size);
  });
}

type TestPool = Pool;

interface Check {
  readonly kind: string;
  readonly outcome: Outcome;
  readonly expected: unknown;
  readonly mayFail: readonly string[];
}

class Callers {
  readonly wrong: object[] = [];
  readonly outcomes: Outcome[] = [];
  readonly #endsAt = performance.now() + LIMIT_MS;
  readonly #buffers: TestPool['client'];
  readonly #counters = Array.from({ length: CALLERS }, () => ({ least: 0, most: 0 }));

  constructor(
    readonly pool: TestPool,
    readonly values: readonly string[],
    readonly random: SeededRandom,
  ) {
    const mapping = { [RESP_TYPES.BLOB_STRING]: Buffer };
    this.#buffers = pool.client.withTypeMapping(mapping) as unknown as TestPool['client'];
  }

  get isOver(): boolean {
    return this.outcomes.length >= COMMANDS || performance.now() >= this.#endsAt;
  }

  async call(caller: number): Promise<void> {
    while (!this.isOver) await this.#once(caller);
  }

  #key(): number {
    return this.random.integer(0, KEYS - 1);
  }

  async #check<T>(kind: string, reply: Promise<T>, expected: T, mayFail = READ_FAILURES) {
    this.#judge({ kind, outcome: await outcomeOf(reply), expected, mayFail });
  }

  #judge({ kind, outcome, expected, mayFail }: Check): void {
    this.outcomes.push(outcome);
    const { error, code, value } = outcome;
    if (error === undefined ? isSame(value, expected) : mayFail.includes(code)) return;
    this.wrong.push({ kind, expected: shorten(expected), value: shorten(value), code });
  }

  #once(caller: number): Promise<unknown> {
    const { random, values } = this;
    const redis = this.pool.client;
    const key = this.#key();
    const value = values[key] as string;
    const draw = random.integer(0, 999);
    if (draw < 300) return this.#check('get', redis.get(`key:${key}`), value);
    if (draw < 400) {
      const text = `${caller}-${this.outcomes.length}`;
      return this.#check('echo', redis.echo(text), text);
    }
    if (draw < 480) return this.#mGet();
    if (draw < 560) return this.#getRange();
    if (draw < 620) return this.#buffer(key, value);
    if (draw < 720) return this.#check('set', redis.set(`key:${key}`, value), 'OK', LOST);
    if (draw < 750) {
      const bytes = Buffer.from(value);
      return this.#check('set Buffer', redis.set(`key:${key}`, bytes), 'OK', LOST);
    }
    if (draw < 830) return this.#increment(caller);
    if (draw < 860) return this.#check('error', redis.lLen(`key:${key}`), -1, ['WRONGTYPE']);
    if (draw < 900) return this.#transaction();
    if (draw < 940) return this.#cancelled(key, value);
    if (draw < 980) return this.#hasty(key, value);
    if (draw < 995) return this.#lease(caller);
    return this.#block(caller);
  }

  #mGet() {
    const keys = [this.#key(), this.#key(), this.#key()];
    const expected = keys.map((key) => this.values[key] as string);
    return this.#check('mGet', this.pool.client.mGet(keys.map((key) => `key:${key}`)), expected);
  }

  #getRange() {
    const key = Math.floor(this.#key() / 10) * 10 + 1;
    const start = this.random.integer(0, 50);
    const end = start + this.random.integer(0, 50);
    const expected = (this.values[key] as string).slice(start, end + 1);
    return this.#check('getRange', this.pool.client.getRange(`key:${key}`, start, end), expected);
  }

  #buffer(key: number, value: string) {
    const expected = Buffer.from(value);
    return this.#check('get Buffer', this.#buffers.get(`key:${key}`) as never, expected);
  }

  async #increment(caller: number) {
    const counter = this.#counters[caller] as { least: number; most: number };
    counter.most++;
    const outcome = await outcomeOf(this.pool.client.incr(`counter:${caller}`));
    const count = outcome.value ?? 0;
    // Between what was acknowledged and what may have run; exact as long as nothing was lost.
    const isPossible = count > counter.least && count <= counter.most;
    const expected = isPossible ? count : counter;
    this.#judge({ kind: 'incr', outcome, expected, mayFail: LOST });
    if (outcome.error === undefined) counter.least = count;
  }

  #transaction() {
    const [one, two] = [this.#key(), this.#key()];
    const reply = this.pool.client
      .multi()
      .get(`key:${one}`)
      .strLen(`key:${two}`)
      .exec()
      .then((replies) => replies as unknown[]);
    const { values } = this;
    const expected = [values[one], Buffer.byteLength(values[two] as string)];
    return this.#check('multi', reply as Promise<unknown[]>, expected, LOST);
  }

  async #cancelled(key: number, value: string) {
    const abort = new AbortController();
    const reply = this.pool.client.withAbortSignal(abort.signal).get(`key:${key}`);
    const checked = this.#check('cancelled get', reply, value, GIVEN_UP);
    await sleep(this.random.integer(0, 4));
    abort.abort();
    await checked;
  }

  #hasty(key: number, value: string) {
    const timeout = this.random.integer(1, 25);
    const reply = this.pool.client.withCommandOptions({ timeout }).get(`key:${key}`);
    // No attempt after a lost connection could come in time.
    return this.#check('hasty get', reply, value, [...GIVEN_UP, 'CONNECTION_LOST']);
  }

  #lease(caller: number) {
    const key = this.#key();
    const own = `own:${caller}`;
    const text = `${caller}-${this.outcomes.length}`;
    const replies = this.pool.withLease(async (redis) => {
      await redis.watch(own);
      const value = await redis.get(`key:${key}`);
      const [set, back] = await redis.multi().set(own, text).get(own).exec();
      // Some borrowers leave a mess behind, which the pool has to clear away.
      if (this.random.integer(0, 3) === 0) await redis.watch(`key:${key}`);
      if (this.random.integer(0, 3) === 0) redis.echo('left behind').catch(() => undefined);
      return [value, set, back] as unknown[];
    });
    return this.#check('lease', replies, [this.values[key], 'OK', text], LOST);
  }

  async #block(caller: number) {
    const list = `list:${caller}-${this.outcomes.length}`;
    const redis = this.pool.client;
    if (this.random.integer(0, 1) === 0) {
      // Nothing will come: the caller gives up, and the connection must not go to anybody.
      const signal = AbortSignal.timeout(this.random.integer(1, 20));
      const popped = redis.withAbortSignal(signal).blPop(list, 0);
      return this.#check('cancelled blPop', popped, null, [...GIVEN_UP, ...LOST]);
    }
    const popping = outcomeOf(redis.blPop(list, 2));
    const pushed = await outcomeOf(redis.rPush(list, list));
    this.#judge({ kind: 'rPush', outcome: pushed, expected: 1, mayFail: LOST });
    const popped = await popping;
    // Where the push may not have run there was nothing to wait for.
    const isEmpty = pushed.error !== undefined && popped.value === null;
    const expected = isEmpty ? null : { key: list, element: list };
    this.#judge({ kind: 'blPop', outcome: popped, expected, mayFail: LOST });
  }
}

describeEachPrivateServer('a reply', (server) => {
  test('never reaches the wrong caller', { timeout: 2 * LIMIT_MS }, async () => {
    const random = seededRandom();
    console.log(`seed ${random.seed}`);
    const proxy = await startTcpProxy({ host: server().host, port: server().port });
    // Reads outlive all kills; with 3 retries one in 100,000 would not.
    const retry = { retries: 10 };
    const pool = createPool({ url: proxy.url, maxConnections: 24, laneDepth: 30, retry }, {});
    const values = valuesOf(random);
    await Promise.all(values.map((value, key) => pool.client.set(`key:${key}`, value)));

    const callers = new Callers(pool, values, random);
    const startedAt = performance.now();
    const done = Promise.all(Array.from({ length: CALLERS }, (_, id) => callers.call(id)));
    const faults = await disturb(proxy, server().url, random, () => callers.isOver);
    await done;
    const tookMs = performance.now() - startedAt;
    const { counters } = pool.status();
    console.log(
      `${callers.outcomes.length} commands in ${(tookMs / 1000).toFixed(1)} s,`,
      `${faults.killed} connections killed, ${counters.retries} retries, ${counters.opened} opened;`,
      countCodes(callers.outcomes),
    );
    expect(callers.wrong.slice(0, 5)).toEqual([]);
    expect(faults.killed).toBeGreaterThan(0);
    expect(callers.outcomes.length).toBeGreaterThan(LEAST_COMMANDS);
    await pool.close();
    expect(pool.status().connections.open).toBe(0);
    await proxy.stop();
  });
});

/** Cuts replies ever differently and kills connections until `isOver`. */
async function disturb(
  proxy: TcpProxy,
  url: string,
  random: SeededRandom,
  isOver: () => boolean,
): Promise<{ killed: number }> {
  const admin = createPool({ url, maxConnections: 1 }, {});
  let killed = 0;
  for (let round = 0; !isOver(); round++) {
    proxy.sliceReplies({ maxBytes: random.pick([300, 2_000, 20_000, 64_000]), random });
    await sleep(random.integer(80, 200));
    // One connection, and now and then all.
    const addresses = await admin.client.sendCommand(['CLIENT', 'LIST', 'TYPE', 'normal']);
    const ids = [...String(addresses).matchAll(/id=(\d+) [^\n]*cmd=(?!client)/g)];
    const victims = round % 5 === 4 ? ids : ids.slice(0, 1);
    for (const [, id] of victims) {
      killed += Number(await admin.client.sendCommand(['CLIENT', 'KILL', 'ID', id as string]));
    }
  }
  proxy.sliceReplies(undefined);
  await admin.close();
  return { killed };
}

function isSame(value: unknown, expected: unknown): boolean {
  if (value === expected) return true;
  if (Buffer.isBuffer(expected)) return Buffer.isBuffer(value) && expected.equals(value);
  return typeof expected === 'object' && JSON.stringify(value) === JSON.stringify(expected);
}

function shorten(value: unknown): string {
  return String(JSON.stringify(value)).slice(0, 200);
}
