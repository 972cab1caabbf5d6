// One generator process's work: starts users at the spawn rate, lets them live by the closed or
// the open model, and hands over a window of observations each second. It knows no files and no
// parent process; the clock and the report of windows come in from outside.

import { unixNow } from '../clock.js';
import type { Target } from '../http/connection.js';
import type { Host } from '../http/target.js';
import type { LoadStage } from '../load-shape.js';
import { seededRandom, weightedChoice } from '../random.js';
import type { Account, Task, UserClass } from '../user-class.js';
import { allotClasses } from './allotment.js';
import { Arrivals } from './arrivals.js';
import { Deadlines } from './deadlines.js';
import { HealthMeter } from './health-meter.js';
import { Naps } from './naps.js';
import type { GeneratorSettings, GeneratorWindow } from './protocol.js';
import { Recorder } from './recorder.js';
import { localUsers, Staffing, share } from './staffing.js';
import { RunOver, type UserContext, VirtualUser } from './virtual-user.js';

const SPAWN_TICK_MS = 20;
const WINDOW_MS = 1000;
/** The longest wait that Node's timers know. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** The row of arrivals that never found a free connection. */
export const NOT_SENT = '(not sent)';
const NOT_SENT_FAILURE = 'not sent: no connection was free until the end';

export interface GeneratorDependencies {
  readonly settings: GeneratorSettings;
  /** At least one. */
  readonly userClasses: readonly UserClass[];
  readonly host: Host;
  readonly target: Target;
  /** Accounts of this process's users, in their order. */
  readonly accounts: readonly Account[] | undefined;
  readonly onWindow: (window: GeneratorWindow) => void;
  /** All iterations are done. */
  readonly onFinished?: () => void;
  /** Milliseconds, monotonic. */
  readonly now?: () => number;
}

export class Generator {
  readonly #settings: GeneratorSettings;
  readonly #recorder = new Recorder(() => this.#takeWindow());
  readonly #naps = new Naps();
  readonly #health = new HealthMeter();
  readonly #now: () => number;
  #allotment: readonly UserClass[];
  #accounts: readonly Account[] | undefined;
  readonly #choices: ReadonlyMap<UserClass, (random: () => number) => Task>;
  readonly #context: UserContext;
  readonly #deadlines: Deadlines;
  readonly #staffing: Staffing;
  /** Users that were started and not told to leave, by their place. */
  readonly #active: VirtualUser[] = [];
  /** All whose life has not ended, those that leave included. */
  readonly #lives = new Map<VirtualUser, Promise<void>>();
  /** Open model: the task that each user runs at the moment. */
  readonly #tasks = new Map<VirtualUser, Promise<void>>();
  #localUsers: number;
  #arrivals: Arrivals<VirtualUser> | undefined;
  #timers: NodeJS.Timeout[] = [];
  #windowStartMs = unixNow();
  #wasSteady = false;
  /** Steady until it was stopped. */
  #afterSteady = false;
  #ready = 0;
  /** How often the number of users was changed. */
  #revision = 0;
  /** Of users who have left. */
  #pastReconnects = 0;
  #aborted = 0;
  #unfinished = 0;
  /** Tasks that may still be started. */
  #iterationsLeft: number;
  #stopping = false;

  constructor(private readonly dependencies: GeneratorDependencies) {
    const { settings, host, target, userClasses } = dependencies;
    this.#settings = settings;
    this.#now = dependencies.now ?? (() => performance.now());
    this.#allotment = allotClasses(userClasses, settings.users);
    this.#accounts = dependencies.accounts;
    this.#choices = new Map(userClasses.map((one) => [one, weightedChoice(one.tasks)]));
    this.#iterationsLeft = localIterations(settings);
    this.#localUsers = localUsers(settings);
    const { requestTimeoutMs, users, spawnRate, processCount, processIndex } = settings;
    const steps = settings.plan?.steps ?? [{ fromMs: 0, users, spawnRate }];
    this.#staffing = new Staffing(steps, processCount, processIndex);
    this.#deadlines = new Deadlines(requestTimeoutMs, this.#now);
    this.#context = {
      host,
      target,
      requestTimeoutMs,
      recorder: this.#recorder,
      deadlines: this.#deadlines,
      now: this.#now,
      isStopping: () => this.#stopping,
      onCutOff: () => {
        this.#aborted += 1;
      },
    };
  }

  start(): void {
    this.#health.start();
    this.#windowStartMs = unixNow();
    const { rate, processCount } = this.#settings;
    if (rate !== undefined) this.#startArrivals(rate / processCount);
    const startMs = this.#now();
    this.#adjustUsers(0);
    this.#timers = [
      setInterval(() => this.#adjustUsers(this.#now() - startMs), SPAWN_TICK_MS),
      setInterval(() => this.#takeWindow(), WINDOW_MS),
    ];
    if (this.#iterationsLeft === 0) this.dependencies.onFinished?.();
  }

  /**
   * From now on so many users by all processes together, in place of any plan. `accounts` are those
   * of this process's users then; undefined where the known ones do.
   */
  change(stage: LoadStage, accounts: readonly Account[] | undefined): void {
    // What came before belongs to another load.
    this.#takeWindow();
    this.#revision += 1;
    this.#wasSteady = false;
    const { processCount, processIndex } = this.#settings;
    this.#localUsers = share(stage.users, processCount, processIndex);
    // Those who are there keep their class: a longer allotment begins with the shorter one.
    if (stage.users > this.#allotment.length) {
      this.#allotment = allotClasses(this.dependencies.userClasses, stage.users);
    }
    this.#accounts = accounts ?? this.#accounts;
    this.#staffing.redirect(stage);
  }

  /** Lets tasks under way finish within the stop timeout; resolves when the last window is out. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#takeWindow();
    this.#afterSteady = this.#wasSteady;
    this.#stopping = true;
    void this.#arrivals?.drain();
    this.#naps.wakeAll();
    const ended = Promise.allSettled(this.#lives.values());
    const limit = new Naps();
    await Promise.race([ended, limit.sleep(this, this.#settings.stopTimeoutMs)]);
    limit.wakeAll();
    const left = [...this.#lives.keys()];
    this.#unfinished = left.filter((user) => user.isBusy && !user.isWaiting).length;
    this.#arrivals?.abandon();
    for (const user of left) user.end();
    for (const timer of this.#timers) clearInterval(timer);
    // One turn, so that what was cut off is counted.
    await new Promise((resolve) => setImmediate(resolve));
    this.#deadlines.close();
    this.#takeWindow();
    this.#health.stop();
  }

  #adjustUsers(elapsedMs: number): void {
    if (this.#stopping || this.#iterationsLeft === 0) return;
    const change = this.#staffing.change(elapsedMs, this.#active.length);
    for (let count = 0; count < change; count += 1) this.#spawn();
    for (const user of this.#active.splice(this.#active.length + Math.min(0, change))) {
      user.isLeaving = true;
      this.#naps.wake(user);
    }
  }

  #spawn(): void {
    const { seed, processCount, processIndex } = this.#settings;
    const local = this.#active.length;
    const index = local * processCount + processIndex;
    const account = this.#accounts?.[local];
    const user = new VirtualUser(index, seededRandom(seed, index), account, this.#context);
    this.#active.push(user);
    const life = this.#live(user, this.#allotment[index]!).catch((error) => this.note(error));
    this.#lives.set(
      user,
      life.finally(() => this.#bury(user)),
    );
  }

  #bury(user: VirtualUser): void {
    this.#lives.delete(user);
    this.#pastReconnects += user.reconnects;
    user.close();
    if (this.#lives.size === 0 && this.#iterationsLeft === 0) this.dependencies.onFinished?.();
  }

  async #live(user: VirtualUser, userClass: UserClass): Promise<void> {
    await this.#attempt(user, () => userClass.onStart?.(user));
    this.#ready += 1;
    user.isReady = true;
    if (this.#arrivals === undefined) await this.#liveClosed(user, userClass);
    else await this.#liveOpen(user, this.#arrivals);
    await this.#attempt(user, () => userClass.onStop?.(user));
  }

  async #liveClosed(user: VirtualUser, userClass: UserClass): Promise<void> {
    // A random share of one wait first, so that users who start together don't stay together.
    await this.#naps.sleep(user, this.#waitMs(user, userClass, 0) * user.random());
    while (!this.#stopping && !user.isLeaving && this.#iterationsLeft > 0) {
      this.#iterationsLeft -= 1;
      const requestsBefore = user.requests;
      const startMs = this.#now();
      await this.#runTask(user, userClass);
      const waitMs = this.#waitMs(user, userClass, this.#now() - startMs);
      // A task without wait and without requests must still let the process breathe.
      if (waitMs > 0 || user.requests === requestsBefore) await this.#naps.sleep(user, waitMs);
    }
  }

  async #liveOpen(user: VirtualUser, arrivals: Arrivals<VirtualUser>): Promise<void> {
    arrivals.release(user);
    await this.#naps.sleep(user, MAX_TIMER_MS);
    await arrivals.drain();
    await this.#tasks.get(user);
  }

  #startArrivals(ratePerS: number): void {
    const arrivals: Arrivals<VirtualUser> = new Arrivals({
      now: this.#now,
      // During the spawn phase the rate grows with the users.
      ratePerS: () => (ratePerS * this.#ready) / this.#localUsers,
      onStart: (user, dueMs) => {
        user.dueMs = dueMs;
        this.#tasks.set(
          user,
          this.#runTask(user, this.#allotment[user.index]!).then(() => arrivals.release(user)),
        );
      },
      onNotSent: (dueMs) => {
        this.#recorder.record({
          method: '',
          name: NOT_SENT,
          durationMs: this.#now() - dueMs,
          bytes: 0,
          failure: NOT_SENT_FAILURE,
          late: false,
        });
      },
    });
    this.#arrivals = arrivals;
  }

  async #runTask(user: VirtualUser, userClass: UserClass): Promise<void> {
    const task =
      userClass.order === 'sequence'
        ? userClass.tasks[user.tasksRun % userClass.tasks.length]!
        : this.#choices.get(userClass)!(user.random);
    user.tasksRun += 1;
    await this.#attempt(user, () => task.run(user));
    user.dueMs = undefined;
  }

  async #attempt(user: VirtualUser, act: () => Promise<unknown> | undefined): Promise<void> {
    user.isBusy = true;
    try {
      await act();
    } catch (error) {
      this.note(error);
    } finally {
      user.isBusy = false;
    }
  }

  /** Counts what a user class threw; the end of the run isn't its fault. */
  note(error: unknown): void {
    if (!(error instanceof RunOver)) this.#recorder.recordException(error);
  }

  #waitMs(user: VirtualUser, { waitMs }: UserClass, tookMs: number): number {
    const { waitScale } = this.#settings;
    if (waitScale === 0) return 0;
    // What a task took is a part of a pace, so it is scaled back to be compared with it.
    return waitMs(user.random, tookMs / waitScale) * waitScale;
  }

  /** All users are up; under a plan their number is never settled. */
  #isSteady(): boolean {
    if (this.#settings.plan !== undefined || this.#stopping) return false;
    const isComplete = this.#active.length === this.#localUsers;
    return isComplete && this.#active.every((user) => user.isReady);
  }

  #takeWindow(): void {
    const endMs = unixNow();
    const isSteady = this.#isSteady();
    const users = [...this.#lives.keys()];
    const { rows, failures, exceptions } = this.#recorder.take();
    this.dependencies.onWindow({
      type: 'window',
      startMs: this.#windowStartMs,
      endMs,
      users: users.length,
      steady: isSteady && this.#wasSteady,
      revision: this.#revision,
      afterSteady: this.#afterSteady,
      backlog: this.#arrivals?.backlog ?? 0,
      aborted: this.#aborted,
      unfinished: this.#unfinished,
      reconnects: users.reduce((sum, user) => sum + user.reconnects, this.#pastReconnects),
      health: this.#health.read(),
      rows,
      failures,
      exceptions,
    });
    this.#wasSteady = isSteady;
    this.#windowStartMs = endMs;
  }
}

function localIterations({ iterations, processCount, processIndex }: GeneratorSettings): number {
  if (iterations === undefined) return Number.POSITIVE_INFINITY;
  return share(iterations, processCount, processIndex);
}
