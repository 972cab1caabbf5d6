// One round of a fault, judged by the rules that all faults share:
//
//   load starts -> warm -> the fault strikes -> served again -> load stops -> what stands is read
//
// no acknowledged write lost, none executed twice, none though it was refused, no wrong reply, no error
// that the fault does not allow, every promise settled in time; then everything at rest again.

import { getEventListeners } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Pool } from '../../src/index.js';
import { bytesInUse } from '../support/resources.js';
import type { SeededRandom } from '../support/seeded-random.js';
import { until } from '../support/until.js';
import type { CallKind, Fault, Stage, World } from './fault.js';
import { Load } from './load.js';
import type { RoundResult } from './result.js';
import { type Judgement, judgeTokens, type Token } from './tokens.js';

/** The load runs so many calls before the fault, and so long after callers are served again. */
const WARM_CALLS = 150;
const WARM_WITHIN_MS = 10_000;
const SETTLE_MS = 200;
/** Who waits longer than this is not served yet. */
const SLOW_MS = 250;
/** The housekeeper's tick, and a machine that runs both the callers and the servers. */
const TOLERANCE_MS = 120;
/** Waiting longer for callers to be served only shows by how much a bound was missed. */
const GIVE_UP_MS = 15_000;
const ALL_KINDS: readonly CallKind[] = ['read', 'write', 'lease', 'block'];
const AT_REST_WITHIN_MS = 3_000;

export class Round {
  readonly #violations: string[] = [];
  readonly #loads: Load[] = [];
  readonly #lag = monitorEventLoopDelay({ resolution: 5 });
  readonly #prefix: string;
  #healedAt: number | undefined;
  /** From the first time on, nothing that is acknowledged may be lost once the bound is over. */
  #firstHealedAt: number | undefined;
  #returnMs: number | undefined;

  constructor(
    readonly fault: Fault,
    readonly world: World,
    readonly pool: Pool,
    readonly random: SeededRandom,
    readonly round: number,
    readonly heard: Set<string>,
  ) {
    this.#prefix = `r${round}:`;
  }

  async run(): Promise<RoundResult> {
    this.#lag.enable();
    const load = this.#addLoad(this.pool, this.fault.mayMeet);
    await until(() => isWarm(load), WARM_WITHIN_MS);
    const stage = this.#stage(load);
    await this.fault.strike(stage);
    if (this.fault.bound.kind === 'unnoticed') await stage.healed();
    await sleep(SETTLE_MS);
    for (const each of this.#loads) await this.#stop(each);
    this.#lag.disable();
    for (const each of this.#loads) this.#judgeCalls(each);
    this.#judgeReturn(load);
    const judgement = await this.#judgeTokens();
    await this.#judgeSubscription();
    await this.fault.mend?.(stage);
    await this.#judgeRest();
    return this.#result(judgement);
  }

  /** A round that could not be run to its end. */
  broken(error: Error): RoundResult {
    this.#violations.push(`the round broke off: ${error.message}`);
    for (const load of this.#loads) void load.stop(0);
    return { ...this.#result(undefined), isBroken: true };
  }

  #stage(load: Load): Stage {
    const { world, pool, random, round } = this;
    return {
      world,
      pool,
      load,
      random,
      round,
      healed: (at = performance.now()) => this.#healed(load, at),
      addLoad: (other, mayMeet) => this.#addLoad(other, mayMeet),
      check: (holds, what) => {
        if (!holds) this.#violations.push(what);
      },
    };
  }

  #addLoad(pool: Pool, mayMeet: readonly string[]): Load {
    const { world, random } = this;
    const prefix = `${this.#prefix}${this.#loads.length}:`;
    const load = new Load(pool, { world, random, prefix, mayMeet });
    this.#loads.push(load);
    load.start();
    return load;
  }

  /** Waits until a read and a write that began since `at` were served. */
  async #healed(load: Load, at: number): Promise<void> {
    this.#healedAt = at;
    this.#firstHealedAt ??= at;
    const servedAt = () => {
      const [read, write] = [load.firstServed('read', at), load.firstServed('write', at)];
      return read === undefined || write === undefined ? undefined : Math.max(read, write);
    };
    const isServed = await until(() => servedAt() !== undefined, GIVE_UP_MS).then(
      () => true,
      () => false,
    );
    if (!isServed) this.#violations.push(`not served within ${GIVE_UP_MS / 1_000} s`);
    this.#noteReturn((servedAt() ?? performance.now()) - at);
  }

  #noteReturn(tookMs: number): void {
    this.#returnMs = Math.max(this.#returnMs ?? 0, tookMs);
  }

  async #stop(load: Load): Promise<void> {
    const { commandTimeoutMs, acquireTimeoutMs } = load.pool.options;
    const withinMs = acquireTimeoutMs + 2 * commandTimeoutMs + 2_000;
    const unsettled = await load.stop(withinMs);
    if (unsettled > 0) this.#violations.push(`${unsettled} promises never settled`);
  }

  #judgeCalls(load: Load): void {
    const { unnoticedBy = [] } = this.fault;
    const unexpected = load.calls.filter(
      ({ code, kind }) =>
        code !== 'ok' && (!load.mayMeet.includes(code) || unnoticedBy.includes(kind)),
    );
    for (const what of new Set(unexpected.map(({ code, kind }) => `${kind} ${code}`))) {
      const same = unexpected.filter(({ code, kind }) => `${kind} ${code}` === what);
      this.#violations.push(`${same.length} x ${what}, not foreseen: ${same[0]?.message}`);
    }
    const [wrong] = load.wrongReplies;
    if (wrong !== undefined) {
      this.#violations.push(`${load.wrongReplies.length} wrong replies, e.g. ${wrong}`);
    }
    const lateMs = this.#latest();
    if (lateMs > 0) this.#violations.push(`a call settled ${lateMs} ms late`);
  }

  /** By how much the latest call missed its deadline, what the machine takes being allowed for, ms. */
  #latest(): number {
    const allowedMs = TOLERANCE_MS + this.#lag.max / 1e6;
    let latestMs = 0;
    for (const { startedAt, endedAt, deadlineMs } of this.#loads.flatMap(({ calls }) => calls)) {
      latestMs = Math.max(latestMs, endedAt - startedAt - deadlineMs - allowedMs);
    }
    return Math.round(latestMs);
  }

  /** Reads and writes that began after the fault and failed, or took long, are part of it. */
  #judgeReturn(load: Load): void {
    const { bound } = this.fault;
    const healedAt = this.#healedAt;
    if (bound.kind !== 'return' || healedAt === undefined) return;
    for (const { kind, code, startedAt, endedAt } of load.calls) {
      if (startedAt < healedAt || !isPlain(kind)) continue;
      const isServed = code === 'ok' && endedAt - startedAt <= SLOW_MS;
      if (!isServed) this.#noteReturn(endedAt - healedAt);
    }
    const returnMs = Math.round(this.#returnMs ?? 0);
    if (returnMs > bound.withinMs) {
      this.#violations.push(`served again after ${returnMs} ms, not within ${bound.withinMs}`);
    }
  }

  async #judgeTokens(): Promise<Judgement> {
    const { auditor, isLossy } = this.world;
    const { bound } = this.fault;
    const standing = new Map<string, number>();
    for (const load of this.#loads) {
      for (const list of load.lists) {
        for (const text of await auditor.client.lRange(list, 0, -1)) {
          standing.set(text, (standing.get(text) ?? 0) + 1);
        }
      }
      for (const { key, least, most } of load.increments) {
        const count = Number(await auditor.client.get(key));
        const isRight = (count >= least || isLossy) && count <= most;
        if (!isRight) this.#violations.push(`a counter is ${count}, not ${least} to ${most}`);
      }
    }
    const tokens = this.#loads.flatMap((load) => load.tokens);
    const boundMs = bound.kind === 'return' ? bound.withinMs : 0;
    const dangerEndsAt = (this.#firstHealedAt ?? 0) + boundMs;
    const judgement = judgeTokens(tokens, {
      standing,
      mayBeGone: ({ startedAt }) => isLossy && startedAt < dangerEndsAt,
    });
    const { lost, twice, uninvited, halved } = judgement;
    const note = (found: readonly Token[], what: string) => {
      if (found.length === 0) return;
      const begun = found.map(({ startedAt }) => startedAt - (this.#firstHealedAt ?? 0));
      const [first, last] = [Math.min(...begun), Math.max(...begun)].map(Math.round);
      this.#violations.push(
        `${found.length} ${what}, begun ${first} to ${last} ms after the fault`,
      );
    };
    note(lost, 'acknowledged writes lost');
    note(twice, 'writes executed twice');
    note(uninvited, 'writes executed though refused');
    note(halved, 'transactions executed by half');
    for (const load of this.#loads) {
      const keys = [...load.lists, ...load.increments.map(({ key }) => key)];
      await Promise.all(keys.map((key) => auditor.client.del(key)));
    }
    return judgement;
  }

  /** What subscribed before all faults still hears. */
  async #judgeSubscription(): Promise<void> {
    const message = `round ${this.round}`;
    const isHeard = async () => {
      await this.world.auditor.client.publish('plimsoll', message);
      return this.heard.has(message);
    };
    await until(isHeard, AT_REST_WITHIN_MS).catch(() =>
      this.#violations.push('a subscription hears nothing any more'),
    );
  }

  /** Nobody waits, nothing is lent, and the other end sees as many connections as the pool does. */
  async #judgeRest(): Promise<void> {
    let seen = '';
    const isAtRest = async () => {
      const { connections, inFlight, waiting } = this.pool.status();
      const { open, connecting, max } = connections;
      const others = await this.world.openConnections();
      seen = JSON.stringify({ open, connecting, others, inFlight, waiting });
      const areSame = others === undefined || others === open;
      return inFlight === 0 && waiting === 0 && connecting === 0 && areSame && open <= max;
    };
    await until(isAtRest, AT_REST_WITHIN_MS).catch(() =>
      this.#violations.push(`not at rest after the round: ${seen}`),
    );
    const listeners = this.#loads.map(({ signal }) => getEventListeners(signal, 'abort').length);
    const total = listeners.reduce((sum, count) => sum + count, 0);
    if (total > 0) this.#violations.push(`${total} listeners left on a signal`);
  }

  #result(judgement: Judgement | undefined): RoundResult {
    const calls = this.#loads.flatMap((load) => load.calls);
    const { unnoticedBy = ALL_KINDS } = this.fault;
    const failed = this.#loads.map(
      (load) =>
        load.calls.filter(({ code, kind }) => code !== 'ok' && unnoticedBy.includes(kind)).length,
    );
    const wrongReplies = this.#loads.reduce((sum, load) => sum + load.wrongReplies.length, 0);
    const slowestMs = calls.reduce(
      (most, { startedAt, endedAt }) => Math.max(most, endedAt - startedAt),
      0,
    );
    const result = {
      calls: calls.length,
      failed: failed[0] ?? 0,
      slowestMs,
      wrongReplies,
      lateMs: this.#latest(),
      returnMs: this.#returnMs ?? 0,
      acknowledged: judgement?.acknowledged ?? 0,
      replicated: judgement?.replicated ?? 0,
      unreplicated: judgement?.unreplicated ?? 0,
      unknown: judgement?.unknown ?? 0,
      lost: judgement?.lost.length ?? 0,
      twice: (judgement?.twice.length ?? 0) + (judgement?.uninvited.length ?? 0),
      halved: judgement?.halved.length ?? 0,
      isBroken: false,
    };
    // What the round itself keeps is not the pool's.
    this.#loads.length = 0;
    return {
      ...result,
      bytesInUse: bytesInUse(),
      violations: this.#violations.map((text) => `round ${this.round}: ${text}`),
    };
  }
}

function isPlain(kind: CallKind): boolean {
  return kind === 'read' || kind === 'write';
}

function isWarm({ calls }: Load): boolean {
  return calls.length >= WARM_CALLS && calls.some(({ kind }) => kind === 'lease');
}
