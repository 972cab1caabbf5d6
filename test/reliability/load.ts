// Many callers of one pool: reads whose replies are known beforehand, writes of unique tokens,
// transactions, leases, jobs that consumers wait for. What each call was told is kept, and judged
// when the load has stopped.
//
//   callers (32) --rPush, incr, multi, lease, get, mGet--> pool        consumers (2) --blMove--> pool
//        `--> calls: when, how long, which error     `--> tokens: what became of each write

import { setTimeout as sleep } from 'node:timers/promises';

import { keySlot } from '../../src/base/key-slot.js';
import type { Pool } from '../../src/index.js';
import { type Outcome, outcomeOf } from '../support/outcome.js';
import type { SeededRandom } from '../support/seeded-random.js';
import type { CallKind, World } from './fault.js';
import type { Token } from './tokens.js';

const CALLERS = 32;
const CONSUMERS = 2;
/** Between two calls of a caller: enough that the machine is not all busy with the load. */
const PAUSE_MS = { least: 1, most: 12 };
const BLOCK_SECONDS = 0.1;
/** Who is refused at once does not come back at once. */
const PAUSE_AFTER_ERROR_MS = 10;
const WAIT_MS = 500;

const FIXED_KEYS = 300;

export interface Call {
  readonly kind: CallKind;
  readonly startedAt: number;
  readonly endedAt: number;
  /** It must have settled this long after its start, ms. */
  readonly deadlineMs: number;
  /** `ok` or the code of its error. */
  readonly code: string;
  /** The error's message. */
  readonly message: string | undefined;
  /** Of a call that concerns one key. */
  readonly slot: number | undefined;
}

interface Caller {
  readonly list: string;
  readonly counter: string;
  /** How long the list is at least. */
  length: number;
  readonly increments: Increments;
}

/** What the counter of a caller may be. */
export interface Increments {
  readonly key: string;
  least: number;
  most: number;
}

export interface LoadSettings {
  readonly world: World;
  readonly random: SeededRandom;
  /** Put before all keys and tokens, so that no two loads share any. */
  readonly prefix: string;
  /** Its errors' codes that are no violation. */
  readonly mayMeet: readonly string[];
}

/** What stands at the keys that are only read; to be written before the first load. */
export function fixedValues(): Map<string, string> {
  const values = Array.from({ length: FIXED_KEYS }, (_, id): [string, string] => [
    `fixed:${id}`,
    // Line ends and signs of RESP, and sizes from nothing to some thousands.
    `<${id}>\r\n$3\r\n+OK\r\n-ERR`.repeat((id * id) % 90),
  ]);
  return new Map(values);
}

const FIXED_VALUES = fixedValues();

export class Load {
  readonly calls: Call[] = [];
  readonly tokens: Token[] = [];
  /** Sentences on replies that cannot be right. */
  readonly wrongReplies: string[] = [];
  readonly prefix: string;
  readonly mayMeet: readonly string[];
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #callers: Caller[];
  readonly #abort = new AbortController();
  readonly #patient: Pool['client'];
  #isOver = false;
  #pending = 0;
  #work: Promise<unknown> = Promise.resolve();

  constructor(
    readonly pool: Pool,
    { world, random, prefix, mayMeet }: LoadSettings,
  ) {
    this.#world = world;
    this.#random = random;
    this.prefix = prefix;
    this.mayMeet = mayMeet;
    // Listens to one signal for all of its calls, which must not gather listeners.
    this.#patient = pool.client.withAbortSignal(this.#abort.signal) as unknown as Pool['client'];
    this.#callers = Array.from({ length: CALLERS }, (_, id) => {
      // One slot a caller in a cluster, as transactions need.
      const [list, counter] = [`${prefix}{c${id}}:list`, `${prefix}{c${id}}:count`];
      return { list, counter, length: 0, increments: { key: counter, least: 0, most: 0 } };
    });
  }

  /** The signal that many of the calls listen to. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get increments(): readonly Increments[] {
    return this.#callers.map(({ increments }) => increments);
  }

  /** All lists that its tokens may stand in. */
  get lists(): readonly string[] {
    return [...this.#callers.map(({ list }) => list), this.#jobs('open'), this.#jobs('done')];
  }

  /** Whether, since `at`, a call of this kind that began then was served. */
  firstServed(kind: CallKind, at: number): number | undefined {
    // Calls are in the order of their ends, and few have ended since.
    let first: number | undefined;
    for (let index = this.calls.length - 1; index >= 0; index--) {
      const call = this.calls[index] as Call;
      if (call.endedAt < at) break;
      if (call.kind === kind && call.code === 'ok' && call.startedAt >= at) first = call.endedAt;
    }
    return first;
  }

  start(): void {
    this.#work = Promise.all([
      ...this.#callers.map((caller) => this.#call(caller)),
      ...Array.from({ length: CONSUMERS }, () => this.#consume()),
    ]);
  }

  /** No call begins from now on. @returns How many had not settled after `withinMs`. */
  async stop(withinMs: number): Promise<number> {
    this.#isOver = true;
    const giveUp = new AbortController();
    const limit = sleep(withinMs, undefined, { signal: giveUp.signal }).catch(() => undefined);
    await Promise.race([this.#work, limit]);
    giveUp.abort();
    return this.#pending;
  }

  async #call(caller: Caller): Promise<void> {
    const random = this.#random;
    while (!this.#isOver) {
      await sleep(random.integer(PAUSE_MS.least, PAUSE_MS.most));
      if (this.#isOver) return;
      const { error } = await this.#once(caller, random.integer(1, 100));
      if (error !== undefined) await sleep(PAUSE_AFTER_ERROR_MS);
    }
  }

  #once(caller: Caller, draw: number): Promise<Outcome> {
    if (draw <= 30) return this.#get();
    if (draw <= 40) return this.#mGet();
    if (draw <= 65) return this.#push(caller);
    if (draw <= 78) return this.#increment(caller);
    if (draw <= 90) return this.#transaction(caller);
    if (draw <= 95) return this.#lease(caller);
    return this.#job();
  }

  /** Looks at what was answered, where it was answered. */
  async #track<T>(
    kind: CallKind,
    key: string | undefined,
    call: () => Promise<T>,
    wrong: (value: T) => string | undefined,
  ): Promise<Outcome<T>> {
    const slot = key === undefined ? undefined : keySlot(key);
    const startedAt = performance.now();
    this.#pending++;
    const outcome = await outcomeOf(call);
    this.#pending--;
    const { code, value, error } = outcome;
    const deadlineMs = this.#deadlineMs(kind);
    const [endedAt, message] = [performance.now(), error?.message.slice(0, 160)];
    this.calls.push({ kind, startedAt, endedAt, deadlineMs, code, message, slot });
    const sentence = error === undefined ? wrong(value as T) : undefined;
    if (sentence !== undefined) this.wrongReplies.push(sentence);
    return outcome;
  }

  #deadlineMs(kind: CallKind): number {
    const { commandTimeoutMs, acquireTimeoutMs } = this.pool.options;
    if (kind === 'lease') return acquireTimeoutMs + 2 * commandTimeoutMs;
    if (kind === 'block') return acquireTimeoutMs + commandTimeoutMs + BLOCK_SECONDS * 1_000;
    return commandTimeoutMs;
  }

  #fixedKey(): string {
    return `fixed:${this.#random.integer(0, FIXED_KEYS - 1)}`;
  }

  #get() {
    const key = this.#fixedKey();
    return this.#track(
      'read',
      key,
      () => this.#patient.get(key),
      (value) => differs(`get ${key}`, value, FIXED_VALUES.get(key)),
    );
  }

  #mGet() {
    const keys = [this.#fixedKey(), this.#fixedKey(), this.#fixedKey()];
    return this.#track(
      'read',
      undefined,
      () => this.#patient.mGet(keys),
      (values) =>
        keys
          .map((key, index) => differs(`mGet ${key}`, values[index], FIXED_VALUES.get(key)))
          .find((sentence) => sentence !== undefined),
    );
  }

  #push(caller: Caller) {
    const token = this.#token(caller.list);
    return this.#write(caller, [token], () => this.pool.client.rPush(caller.list, token.text));
  }

  #transaction(caller: Caller) {
    const first = this.#token(caller.list);
    const tokens = [first, this.#token(caller.list, first)];
    return this.#write(caller, tokens, async () => {
      const transaction = this.pool.client.multi();
      for (const { text } of tokens) transaction.rPush(caller.list, text);
      return (await transaction.exec()).at(-1);
    });
  }

  /** Appends tokens; `call` answers how long the list is then. */
  async #write(caller: Caller, tokens: readonly Token[], call: () => Promise<unknown>) {
    const outcome = await this.#track('write', caller.list, call, (length) => {
      const isPossible = Number(length) >= caller.length + tokens.length || this.#world.isLossy;
      return isPossible ? undefined : `rPush answered ${length} after ${caller.length} elements`;
    });
    this.#settle(tokens, outcome);
    if (outcome.error === undefined) caller.length = Number(outcome.value);
    return outcome;
  }

  async #increment({ counter, increments }: Caller) {
    increments.most++;
    const outcome = await this.#track(
      'write',
      counter,
      () => this.pool.client.incr(counter),
      (count) => {
        const isLow = count <= increments.least && !this.#world.isLossy;
        return isLow || count > increments.most
          ? `incr answered ${count} between ${increments.least} and ${increments.most}`
          : undefined;
      },
    );
    if (outcome.error === undefined) increments.least = outcome.value as number;
    else if (!mayHaveRun(outcome)) increments.most--;
    return outcome;
  }

  /** WATCH, a transaction, and where there are replicas WAIT until one has it. */
  async #lease(caller: Caller) {
    const token = this.#token(caller.list);
    const { isLossy } = this.#world;
    let replicas = 0;
    const outcome = await this.#track(
      'lease',
      caller.list,
      () =>
        this.#world.lend(this.pool, caller.list, async (redis) => {
          await redis.watch(`${caller.list}:lock`);
          const [length] = await redis.multi().rPush(caller.list, token.text).exec();
          token.fate = 'acknowledged';
          if (isLossy) replicas = await redis.wait(1, WAIT_MS);
          return length as unknown as number;
        }),
      (length) => (length >= 1 ? undefined : `a lease's rPush answered ${length}`),
    );
    // WAIT may fail after the write was acknowledged.
    if (token.fate === 'pending') this.#settle([token], outcome);
    if (replicas > 0) token.fate = 'replicated';
    if (outcome.error === undefined) caller.length = Math.max(caller.length, outcome.value ?? 0);
    return outcome;
  }

  async #job() {
    const token = this.#token(this.#jobs('open'));
    const outcome = await this.#track(
      'write',
      token.list,
      () => this.pool.client.rPush(token.list, token.text),
      (length) => (length >= 1 ? undefined : `a job's rPush answered ${length}`),
    );
    this.#settle([token], outcome);
    return outcome;
  }

  /** Moves jobs to where they are done, waiting for them: a blocking command that loses nothing. */
  async #consume(): Promise<void> {
    const [open, done] = [this.#jobs('open'), this.#jobs('done')];
    while (!this.#isOver) {
      const { error } = await this.#track(
        'block',
        open,
        () => this.pool.client.blMove(open, done, 'LEFT', 'RIGHT', BLOCK_SECONDS),
        (job) =>
          job === null || job.startsWith(this.prefix) ? undefined : `blMove answered ${job}`,
      );
      if (error !== undefined) await sleep(PAUSE_AFTER_ERROR_MS);
    }
  }

  #jobs(state: 'open' | 'done'): string {
    return `${this.prefix}{jobs}:${state}`;
  }

  #token(list: string, partner?: Token): Token {
    const text = `${this.prefix}${this.tokens.length}`;
    const startedAt = performance.now();
    const token: Token = { text, list, startedAt, fate: 'pending', ...(partner && { partner }) };
    this.tokens.push(token);
    return token;
  }

  #settle(tokens: readonly Token[], outcome: Outcome): void {
    const fate =
      outcome.error === undefined ? 'acknowledged' : mayHaveRun(outcome) ? 'unknown' : 'refused';
    for (const token of tokens) token.fate = fate;
  }
}

/** After any other error a write must not have been executed. */
export function mayHaveRun({ error, code }: Outcome): boolean {
  return error === undefined || code === 'OUTCOME_UNKNOWN' || error.sent === true;
}

function differs(what: string, value: unknown, expected: unknown): string | undefined {
  if (value === expected) return undefined;
  return `${what} answered ${JSON.stringify(value)?.slice(0, 80)}`;
}
