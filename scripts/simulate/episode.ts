// One episode: a pool and its servers from beginning to end, on simulated time. What its plan says
// happens; then all is mended, and the pool has to serve again, come to rest, and close without a
// trace.
//
//   acts and faults --> mended --> served again --> at rest --> closed --> nothing is left
//                  \--> closed in the middle of it all ------------------/

import type { createPool, Pool, PoolStatus } from 'plimsoll';
import { Chance } from 'plimsoll-cli/simulated-time/chance.js';
import { EventLoop } from 'plimsoll-cli/simulated-time/event-loop.js';
import { intercept } from 'plimsoll-cli/simulated-time/interception.js';
import { Network } from 'plimsoll-cli/simulated-time/network.js';
import { Callers } from './callers.js';
import { Cluster } from './cluster.js';
import { type Deployment, Standalone, Watched } from './deployment.js';
import { Faults } from './faults.js';
import { Limits } from './limits.js';
import { Model, type Violation } from './model.js';
import { type Act, CALLS, FAULTS, type Plan } from './plan.js';

/** The bounds are looked at once in so many steps: that costs more than a step. */
const STEPS_PER_LOOK = 32;
/** Once all is mended, a caller who keeps asking is served within this, ms. */
const SERVED_WITHIN_MS = 6_000;
const ASKED_EVERY_MS = 50;
/** How long a pool may take to come to rest, ms. */
const SETTLED_WITHIN_MS = 20_000;
/** How long a pool at rest is watched, ms. */
const REST_MS = 10_000;
/** The pool's slow tick and what little else there is, a second. */
const TIMERS_PER_SECOND_AT_REST = 4;
const CLOSE_TIMEOUT_MS = 1_000;
/** What ends with the pool ends within this, ms. */
const AFTERMATH_MS = 2_500;
/** An episode that goes on beyond this hangs, ms. */
const LONGEST_MS = 300_000;

const DEPLOYMENTS = { standalone: Standalone, sentinel: Watched, cluster: Cluster };

export interface EpisodeResult {
  readonly steps: number;
  readonly simulatedMs: number;
  readonly violation: Violation | undefined;
  /** By kind of call and by how it ended. */
  readonly outcomes: ReadonlyMap<string, number>;
  /** How often each event of the pool came. */
  readonly events: ReadonlyMap<string, number>;
  /** What the pool says of itself in the end. */
  readonly status: PoolStatus;
}

/** What makes the pool: the library as it is built, or its sources. */
export type PoolFactory = typeof createPool;

/** @param note Takes down what happens, with its time in ms; only for a report, as it costs. */
export async function runEpisode(
  plan: Plan,
  factory: PoolFactory,
  note?: (atMs: number, text: string) => void,
): Promise<EpisodeResult> {
  const chance = new Chance(plan.seed ^ 0x5eed);
  const loop = new EventLoop(new Chance(chance.seed()));
  const beganAt = loop.now;
  if (note !== undefined) loop.note = (text) => note(loop.outsideNow - beganAt, text());
  const network = new Network(loop, new Chance(chance.seed()), plan.delays, plan.sliceShare);
  const model = new Model(loop);
  const world = { loop, network, witness: model, chance };
  const deployment = new DEPLOYMENTS[plan.deployment](world);
  // A stack is of use in a report alone, and dear.
  const { stackTraceLimit } = Error;
  if (note === undefined) Error.stackTraceLimit = 0;
  const putBack = intercept(loop, network, new Chance(chance.seed()));
  const stopListening = watchProcess(model);
  const episode = new Episode(plan, loop, network, model, deployment, factory);
  try {
    let isOver = false;
    void episode.direct().then(
      () => {
        isOver = true;
      },
      (error: Error) => model.violate('no surprise', `the director failed: ${error.stack}`),
    );
    await loop.run(() => isOver || model.violation !== undefined);
    if (!isOver) model.violate('in time', 'nothing is left that could happen, but not all is done');
  } finally {
    putBack();
    stopListening();
    Error.stackTraceLimit = stackTraceLimit;
  }
  const { violation, outcomes } = model;
  const { events, status } = episode;
  const simulatedMs = loop.now - beganAt;
  return { steps: loop.steps, simulatedMs, violation, outcomes, events, status };
}

/** What nobody catches is a fault of its own. */
function watchProcess(model: Model): () => void {
  const onRejection = (error: unknown) => model.violate('no surprise', `unhandled: ${text(error)}`);
  const onException = (error: unknown) => model.violate('no surprise', `uncaught: ${text(error)}`);
  process.on('unhandledRejection', onRejection);
  process.on('uncaughtException', onException);
  return () => {
    process.off('unhandledRejection', onRejection);
    process.off('uncaughtException', onException);
  };
}

function text(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

class Episode {
  readonly events = new Map<string, number>();
  readonly #plan: Plan;
  readonly #loop: EventLoop;
  readonly #network: Network;
  readonly #model: Model;
  readonly #deployment: Deployment;
  readonly #faults: Faults;
  readonly #pool: Pool;
  readonly #callers: Callers;
  #isClosing = false;

  constructor(
    plan: Plan,
    loop: EventLoop,
    network: Network,
    model: Model,
    deployment: Deployment,
    factory: PoolFactory,
  ) {
    this.#plan = plan;
    this.#loop = loop;
    this.#network = network;
    this.#model = model;
    this.#deployment = deployment;
    this.#faults = new Faults(network, deployment);
    this.#pool = factory({ ...plan.options, ...deployment.options }, {}) as Pool;
    this.#callers = new Callers(this.#pool, loop, model, plan);
    this.#listen();
    this.#watch();
  }

  get status(): PoolStatus {
    return this.#pool.status();
  }

  async direct(): Promise<void> {
    const { acts, lengthMs, closesWithinMs } = this.#plan;
    const beganAt = this.#loop.outsideNow;
    for (const act of acts) this.#loop.happensAt(beganAt + act.atMs, () => this.#perform(act));
    this.#loop.happensAt(beganAt + LONGEST_MS, () =>
      this.#model.violate('in time', 'the episode does not end'),
    );
    if (closesWithinMs !== undefined) {
      await this.#loop.wait(0.7 * lengthMs);
      await this.#close(closesWithinMs);
      return;
    }
    await this.#loop.wait(lengthMs);
    this.#faults.end();
    await this.#beServedAgain();
    await this.#rest();
    await this.#close(CLOSE_TIMEOUT_MS);
  }

  #perform(act: Act): void {
    this.#loop.note?.(() => `--- ${act.kind}`);
    if (isOneOf(FAULTS, act.kind)) this.#faults.befall(act);
    else if (act.kind === 'feed') this.#feed(act);
    else if (!this.#isClosing || isOneOf(CALLS, act.kind)) {
      this.#loop.input(() => this.#callers.perform(act));
    }
  }

  /** Another client pushes an element to a list. */
  #feed({ seed }: Act): void {
    const chance = new Chance(seed);
    for (const primary of this.#deployment.primaries) {
      if (primary.isUp) primary.feed(`{q${chance.integer(0, 1)}}`, `t${this.#model.newToken()}`);
    }
  }

  async #beServedAgain(): Promise<void> {
    const mendedAt = this.#loop.now;
    const blockedBefore = this.#loop.blockedMs;
    const chance = new Chance(this.#plan.seed);
    this.#pool.resume();
    while (!(await this.#callers.read(chance))) {
      const elapsedMs = this.#loop.now - mendedAt - (this.#loop.blockedMs - blockedBefore);
      if (elapsedMs > SERVED_WITHIN_MS) {
        this.#model.violate('served again', `nobody was served ${elapsedMs} ms after all was well`);
        return;
      }
      await this.#loop.wait(ASKED_EVERY_MS);
    }
  }

  /** When nobody asks any more, all is answered, and nothing burns. */
  async #rest(): Promise<void> {
    while (this.#model.openCalls > 0) await this.#loop.wait(100);
    // Borrowers give back, what was dialed for them comes, and what was suspected is forgotten.
    await this.#loop.wait(SETTLED_WITHIN_MS);
    const firedBefore = this.#loop.timersFired;
    await this.#loop.wait(REST_MS);
    const { inFlight, waiting, connections } = this.#pool.status();
    if (waiting > 0 || connections.leased > 0) {
      this.#model.violate('quiet', `${waiting} wait, ${connections.leased} are leased at rest`);
    }
    if (inFlight > connections.open) this.#model.violate('quiet', `${inFlight} in flight at rest`);
    const fired = this.#loop.timersFired - firedBefore;
    const perSecond = (1_000 * fired) / REST_MS;
    const { healthCheckIntervalMs } = this.#pool.options;
    const pings = (2 * 1_000 * connections.open) / healthCheckIntervalMs;
    if (perSecond > TIMERS_PER_SECOND_AT_REST + pings) {
      this.#model.violate('quiet', `${perSecond} timers fire a second at rest`);
    }
  }

  async #close(timeoutMs: number): Promise<void> {
    this.#isClosing = true;
    const call = this.#model.begin({ kind: 'close', tokens: [], timeoutMs, expects: () => true });
    // A time-out of 0 is no time-out of a call.
    this.#model.limit(call, this.#loop.now + timeoutMs);
    await this.#pool.close({ timeoutMs });
    this.#model.settle(call, {});
    this.#model.limitAll(this.#loop.now);
    await this.#loop.wait(AFTERMATH_MS + this.#plan.lengthMs);
    this.#lookForLeftovers();
  }

  #lookForLeftovers(): void {
    const { activeTimers, pendingImmediates, holds } = this.#loop;
    const sockets = this.#network.open.size;
    const { openCalls } = this.#model;
    const isClean = activeTimers + pendingImmediates + holds + sockets + openCalls === 0;
    if (isClean) return;
    const left = { activeTimers, pendingImmediates, holds, sockets, openCalls };
    this.#model.violate('nothing left', `after close(): ${JSON.stringify(left)}`);
  }

  #listen(): void {
    const names = ['open', 'evict', 'exhausted', 'leak', 'connectError'] as const;
    const others = ['breakerOpen', 'breakerClose', 'alert', 'close'] as const;
    for (const name of [...names, ...others]) {
      this.#pool.on(name, (facts?: object) => {
        const detail = (facts as { reason?: string } | undefined)?.reason;
        const label = detail === undefined ? name : `${name} ${detail}`;
        this.events.set(label, (this.events.get(label) ?? 0) + 1);
        this.#loop.note?.(
          () => `event ${name} ${String((facts as Error)?.message ?? detail ?? '')}`,
        );
      });
    }
  }

  #watch(): void {
    const { servers } = this.#deployment;
    const addresses = servers.map(({ address }) => address);
    const isCluster = this.#plan.deployment === 'cluster';
    const limits = new Limits(this.#pool, this.#network, this.#model, addresses, isCluster);
    let untilLook = STEPS_PER_LOOK;
    this.#loop.onStep = () => {
      this.#model.check();
      if (--untilLook > 0) return;
      untilLook = STEPS_PER_LOOK;
      limits.check();
    };
    this.#loop.onIdle = () => {
      if (this.#loop.holds === 0 && this.#model.openCalls > 0) {
        this.#model.violate('alive', 'the process would end while a caller waits');
      }
    };
    this.#loop.onUncaught = (error) => this.#model.violate('no surprise', `thrown: ${text(error)}`);
  }
}

function isOneOf<T extends string>(kinds: readonly T[], kind: string): kind is T {
  return (kinds as readonly string[]).includes(kind);
}
