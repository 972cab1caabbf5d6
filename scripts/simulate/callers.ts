// Those who use the pool: each act is a few lines as an application has them, and what it gets is
// told to the model. They use the public API alone.

import type { Lease, Pool } from 'plimsoll';
import { Chance } from 'plimsoll-cli/simulated-time/chance.js';
import type { EventLoop } from 'plimsoll-cli/simulated-time/event-loop.js';
import type { Call, CallTerms, HeldLease, Model, Outcome } from './model.js';
import type { Act, Plan } from './plan.js';

/** Hash tags of keys. */
const TAGS = 32;
const LISTS = ['{q0}', '{q1}'];
/** Who gives up what blocks is told within this, ms: the pool asks the server first. */
const CANCEL_PATIENCE_MS = 1_000;
/** A chain goes on while all is well, up to so many calls. */
const LONGEST_CHAIN = 20;
const MOST_CONNECTIONS = 8;
/** Bytes of a large value, now and then. */
const LARGE_BYTES = 60_000;

type Client = Pool['client'];
type LeaseTerms = Pick<CallTerms, 'timeoutMs' | 'lease'>;

export class Callers {
  readonly #pool: Pool;
  readonly #loop: EventLoop;
  readonly #model: Model;
  readonly #plan: Plan;
  /** Elements that callers got from lists. */
  readonly #received = new Set<string>();

  constructor(pool: Pool, loop: EventLoop, model: Model, plan: Plan) {
    this.#pool = pool;
    this.#loop = loop;
    this.#model = model;
    this.#plan = plan;
  }

  /** Begins one act; the rest of it goes on by itself. */
  perform({ kind, seed }: Act): void {
    const chance = new Chance(seed);
    switch (kind) {
      case 'read':
        void this.read(chance);
        break;
      case 'write':
        void this.#write(chance);
        break;
      case 'transaction':
        void this.#transact(chance);
        break;
      case 'script':
        void this.#runScript(chance);
        break;
      case 'lease':
        void this.#borrow(chance);
        break;
      case 'pop':
        void this.#pop(chance);
        break;
      case 'burst':
        for (let left = chance.integer(2, 60); left > 0; left--) {
          void (chance.happens(0.5) ? this.read(chance) : this.#write(chance));
        }
        break;
      case 'chain':
        void this.#chain(chance);
        break;
      case 'spread':
        void this.#spread(chance);
        break;
      case 'pipeline':
        void this.#pipeline(chance);
        break;
      case 'duplicate':
        void this.#useDuplicate(chance);
        break;
      case 'probe':
        void this.#probe();
        break;
      default:
        this.#control(kind, chance);
    }
  }

  /** Reads once. @returns Whether it was answered. */
  async read(chance: Chance): Promise<boolean> {
    const token = this.#model.newToken();
    const key = `${tag(chance)}t${token}`;
    const { client, terms, arm } = this.#prepare(chance, 'read', [token]);
    const call = this.#model.begin({ ...terms, expects: (reply) => reply === `v:${key}` });
    arm(call);
    return this.#settle(call, client.get(key));
  }

  async #write(chance: Chance): Promise<void> {
    const token = this.#model.newToken();
    const { client, terms, arm } = this.#prepare(chance, 'write', [token]);
    const call = this.#model.begin({
      ...terms,
      isWrite: true,
      expects: (reply) => reply === token,
    });
    arm(call);
    const value = `t${token}`;
    const isLarge = chance.happens(0.005);
    const argument = isLarge ? Buffer.from(`${'-'.repeat(LARGE_BYTES)}${value}`) : value;
    await this.#settle(call, client.append(tag(chance), argument));
  }

  async #transact(chance: Chance): Promise<void> {
    const tokens = Array.from({ length: chance.integer(1, 3) }, () => this.#model.newToken());
    const { client, terms, arm } = this.#prepare(chance, 'transaction', tokens);
    const expects = (reply: unknown) => isSame(reply, tokens);
    const call = this.#model.begin({ ...terms, isWrite: true, isTransaction: true, expects });
    arm(call);
    const key = tag(chance);
    const block = client.multi();
    for (const token of tokens) block.append(key, `t${token}`);
    await this.#settle(call, block.exec());
  }

  /** A script may answer anything, whatever it has done. */
  async #runScript(chance: Chance): Promise<void> {
    const token = this.#model.newToken();
    const { client, terms, arm } = this.#prepare(chance, 'script', [token]);
    const expects = (reply: unknown) => reply === token;
    const call = this.#model.begin({ ...terms, isWrite: true, isScript: true, expects });
    arm(call);
    const script = `${chance.integer(0, 9)}`;
    const options = { keys: [tag(chance)], arguments: [`t${token}`] };
    await this.#settle(call, client.eval(script, options));
  }

  /** Several keys, which a cluster has in several places. */
  async #spread(chance: Chance): Promise<void> {
    const isWrite = chance.happens(0.5);
    const tokens = Array.from({ length: chance.integer(1, 5) }, () => this.#model.newToken());
    const keys = tokens.map((token) => `${tag(chance)}t${token}`);
    const kind = isWrite ? 'spread write' : 'spread read';
    const { client, terms, arm } = this.#prepare(chance, kind, tokens);
    const values = keys.map((key) => `v:${key}`);
    const expects = (reply: unknown) => (isWrite ? reply === keys.length : isSame(reply, values));
    const call = this.#model.begin({ ...terms, isWrite, hasParts: true, expects });
    arm(call);
    await this.#settle(call, isWrite ? client.del(keys) : client.mGet(keys));
  }

  async #pipeline(chance: Chance): Promise<void> {
    const tokens = Array.from({ length: chance.integer(1, 5) }, () => this.#model.newToken());
    const { client, terms, arm } = this.#prepare(chance, 'pipeline', tokens);
    const expects = (reply: unknown) => isSame(reply, tokens);
    const call = this.#model.begin({ ...terms, isWrite: true, hasParts: true, expects });
    arm(call);
    const block = client.multi();
    for (const token of tokens) block.append(tag(chance), `t${token}`);
    await this.#settle(call, block.execAsPipeline());
  }

  /** A client that ends before the pool does, with some of its work under way. */
  async #useDuplicate(chance: Chance): Promise<void> {
    const { commandTimeoutMs } = this.#plan.options;
    const timeoutMs = commandTimeoutMs as number;
    const client = this.#pool.client.duplicate();
    for (let left = chance.integer(1, 4); left > 0; left--) {
      const token = this.#model.newToken();
      const terms = { kind: 'duplicate', tokens: [token], timeoutMs, isWrite: true };
      const mayRepeat = this.#plan.options.retryWrites === 'always';
      const expects = (reply: unknown) => reply === token;
      const call = this.#model.begin({ ...terms, mayRepeat, expects });
      void this.#settle(call, client.append(tag(chance), `t${token}`));
    }
    await this.#loop.wait(chance.between(0, 20));
    if (chance.happens(0.5)) {
      client.destroy();
      return;
    }
    const terms = { kind: 'duplicate end', tokens: [], timeoutMs, expects: () => true };
    await this.#settle(this.#model.begin(terms), client.close());
  }

  async #chain(chance: Chance): Promise<void> {
    for (let left = LONGEST_CHAIN; left > 0; left--) {
      if (!(await this.read(chance))) return;
    }
  }

  async #probe(): Promise<void> {
    const timeoutMs = 2 * (this.#plan.options.connectTimeoutMs as number);
    const call = this.#model.begin({ kind: 'probe', tokens: [], timeoutMs, expects: () => true });
    await this.#settle(
      call,
      this.#pool.healthCheck().then(({ healthy }) => healthy),
    );
  }

  async #pop(chance: Chance): Promise<void> {
    const list = chance.pick(LISTS);
    const seconds = chance.pick([0, 0.05, 0.5]);
    const { commandTimeoutMs } = this.#plan.options;
    const timeoutMs = seconds === 0 ? 0 : 1_000 * seconds + (commandTimeoutMs as number);
    const terms = { kind: 'pop', tokens: [], timeoutMs, isWrite: true };
    const call = this.#model.begin({ ...terms, expects: (reply) => this.#isNew(list, reply) });
    let client: Client = this.#pool.client;
    if (seconds === 0 || chance.happens(0.4)) {
      const abort = this.#abortLater(chance.between(1, 2_000), call, CANCEL_PATIENCE_MS);
      client = client.withAbortSignal(abort) as Client;
    }
    await this.#settle(call, client.blPop(list, seconds));
  }

  #isNew(list: string, reply: unknown): boolean {
    if (reply === null) return true;
    const { key, element } = reply as { key?: unknown; element?: unknown };
    if (key !== list || typeof element !== 'string' || this.#received.has(element)) return false;
    this.#received.add(element);
    return true;
  }

  async #borrow(chance: Chance): Promise<void> {
    const { acquireTimeoutMs } = this.#plan.options;
    const timeoutMs = chance.pick([acquireTimeoutMs as number, 20, 400]);
    const call = this.#model.begin({ kind: 'lease', tokens: [], timeoutMs, expects: () => true });
    const signal = chance.happens(0.1)
      ? this.#abortLater(chance.between(0, timeoutMs), call, 0)
      : undefined;
    const key = tag(chance);
    const wish = this.#pool.acquire({ timeoutMs, signal, key });
    if (
      !(await this.#settle(
        call,
        wish.then(() => undefined),
      ))
    )
      return;
    const lease = await wish;
    const held: HeldLease = { connectionId: lease.serverClientId, lastToken: 0 };
    this.#model.lend(held);
    const uses = chance.integer(0, 4);
    for (let use = 0; use < uses; use++) {
      const { done, isLast } = this.#use(lease, held, key, chance);
      // Who doesn't wait gives it back with commands in flight.
      if (chance.happens(0.9)) await done;
      if (isLast) break;
      if (chance.happens(0.3)) await this.#loop.wait(chance.between(0, 50));
    }
    if (chance.happens(0.1)) await this.#loop.wait(chance.between(100, 1_000));
    this.#model.giveBack(held);
    if (chance.happens(0.1)) lease.destroy();
    else lease.release();
  }

  /** @returns Whether the borrower may go on: not in a transaction that he has left open. */
  #use(
    lease: Lease,
    held: HeldLease,
    key: string,
    chance: Chance,
  ): { done: Promise<unknown>; isLast: boolean } {
    const client = lease.client as Client;
    const way = chance.integer(1, 8);
    const terms = { timeoutMs: this.#plan.options.commandTimeoutMs as number, lease: held };
    const ask = (kind: string, send: () => Promise<unknown>) => {
      // select() gives nothing, as node-redis has it.
      const expects = (reply: unknown) => reply === 'OK' || reply === undefined;
      const call = this.#model.begin({ ...terms, kind, tokens: [], expects });
      return this.#settle(call, send());
    };
    if (way <= 4) return { done: this.#writeOnLease(client, key, terms), isLast: false };
    if (way === 5) return { done: ask('leased watch', () => client.watch(key)), isLast: false };
    if (way === 6) return { done: ask('leased select', () => client.select(1)), isLast: false };
    if (way === 7) return { done: this.#transactOnLease(client, key, terms), isLast: false };
    return { done: ask('leased multi', () => client.sendCommand(['MULTI'])), isLast: true };
  }

  async #writeOnLease(client: Client, key: string, terms: LeaseTerms): Promise<void> {
    const token = this.#model.newToken();
    const expects = (reply: unknown) => reply === token;
    const kind = 'leased write';
    const call = this.#model.begin({ ...terms, kind, tokens: [token], isWrite: true, expects });
    await this.#settle(call, client.append(key, `t${token}`));
  }

  async #transactOnLease(client: Client, key: string, terms: LeaseTerms): Promise<void> {
    const tokens = [this.#model.newToken(), this.#model.newToken()];
    const expects = (reply: unknown) => isSame(reply, tokens);
    const kind = 'leased transaction';
    const call = this.#model.begin({ ...terms, kind, tokens, isWrite: true, expects });
    const block = client.multi();
    for (const token of tokens) block.append(key, `t${token}`);
    await this.#settle(call, block.exec());
  }

  #control(kind: Act['kind'], chance: Chance): void {
    const pool = this.#pool;
    if (kind === 'resize') {
      const least = Math.max(1, this.#plan.options.minConnections as number);
      pool.resize(chance.integer(least, Math.max(least, MOST_CONNECTIONS)));
    } else if (kind === 'suspend') {
      pool.suspend();
      void this.#loop.wait(chance.between(10, 800)).then(() => pool.resume());
    } else if (kind === 'block') {
      this.#loop.block(chance.pick([30, 100, 400, 1_500]) * chance.between(0.5, 1));
    }
  }

  /** How this caller wants it: with a deadline of his own, a signal, another rule for retries. */
  #prepare(chance: Chance, kind: string, tokens: readonly number[]) {
    const { commandTimeoutMs, retryWrites } = this.#plan.options;
    const timeoutMs = chance.happens(0.2)
      ? chance.pick([10, 100, 1_000])
      : (commandTimeoutMs as number);
    const rule = chance.happens(0.1)
      ? chance.pick(['safe', 'always', 'never'] as const)
      : undefined;
    const abortMs = chance.happens(0.1) ? chance.between(0, 60) : undefined;
    const controller = abortMs === undefined ? undefined : new AbortController();
    let client = this.#pool.client;
    if (timeoutMs !== commandTimeoutMs || rule !== undefined || controller !== undefined) {
      client = client.withCommandOptions({
        timeout: timeoutMs,
        ...(rule === undefined ? {} : { retryWrites: rule }),
        ...(controller === undefined ? {} : { abortSignal: controller.signal }),
      }) as Client;
    }
    const mayRepeat = (rule ?? retryWrites) === 'always';
    return {
      client,
      terms: { kind, tokens, timeoutMs, mayRepeat } satisfies Omit<CallTerms, 'expects'>,
      arm: (call: Call) => {
        if (controller !== undefined) this.#abort(controller, abortMs as number, call, 0);
      },
    };
  }

  #abortLater(ms: number, call: Call, patienceMs: number): AbortSignal {
    const controller = new AbortController();
    this.#abort(controller, ms, call, patienceMs);
    return controller.signal;
  }

  #abort(controller: AbortController, ms: number, call: Call, patienceMs: number): void {
    void this.#loop.wait(ms).then(() => {
      if (!call.isSettled) this.#model.limit(call, this.#loop.now + patienceMs);
      controller.abort();
    });
  }

  async #settle(call: Call, promise: Promise<unknown>): Promise<boolean> {
    const outcome: Outcome = await promise.then(
      (reply) => ({ reply }),
      (error) => ({ error }),
    );
    this.#model.settle(call, outcome);
    return outcome.error === undefined;
  }
}

function tag(chance: Chance): string {
  return `{k${chance.integer(0, TAGS - 1)}}`;
}

function isSame(reply: unknown, wanted: readonly unknown[]): boolean {
  return Array.isArray(reply) && reply.join() === wanted.join();
}
