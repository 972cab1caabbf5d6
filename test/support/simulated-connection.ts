// Connections without a socket, for tests of the pool's mechanism on simulated time: what would be
// the server answers when the test says so, or at once where the test gave it an answer.
//
//   source.onDial    -> 'accept' (default), 'hold' until the test decides, or an error
//   source.answer    -> (name) => reply; an Error is an error reply, undefined leaves it in flight

import { vi } from 'vitest';

import type { Clock } from '../../src/base/clock.js';
import type { Command } from '../../src/base/command.js';
import type { ConnectionSource, Link, LinkListener } from '../../src/base/link.js';
import type { PoolOptions } from '../../src/config/options.js';
import { resolveOptions } from '../../src/config/resolve.js';
import { PoolError } from '../../src/errors.js';
import { judgeErrorReply } from '../../src/policy/reply-verdict.js';
import { ConnectionPool } from '../../src/pool/pool.js';
import { SingleTopology } from '../../src/topology/single.js';
import { CoreClient } from './core-client.js';
import { type Outcome, outcomesOf } from './outcome.js';

export type Answer = (name: string, connection: SimulatedConnection) => unknown;

/** Fake time that `vi.useFakeTimers()` gives; never 0, which stands for "not yet" in commands. */
export const simulatedClock: Clock = { now: () => Date.now() };

const NOBODY: LinkListener = {
  onProgress() {},
  onLatency() {},
  onErrorReply: () => false,
  onEnd() {},
  onPush() {},
  onUnasked: () => false,
};

export class SimulatedConnection implements Link {
  listener: LinkListener = NOBODY;
  writable = true;
  serverClientId: number | undefined = undefined;
  readonly bytesRead = 0;
  readonly bytesWritten = 0;
  lastReadAt: number;
  lastTrafficAt: number;
  /** Why it ended; `undefined` while it lives. */
  endError: Error | undefined = undefined;
  /** Commands without a reply, oldest first. */
  readonly commands: Command[] = [];
  /** Names of all commands that were ever sent, and what `sendUnanswered` was given. */
  readonly sentNames: string[] = [];
  readonly #clock: Clock;
  readonly #answer: Answer;
  #isDraining = false;

  constructor(clock: Clock = simulatedClock, answer: Answer = () => undefined) {
    this.#clock = clock;
    this.#answer = answer;
    this.lastReadAt = clock.now();
    this.lastTrafficAt = this.lastReadAt;
  }

  get inFlight(): number {
    return this.commands.length;
  }

  get waitingSince(): number | undefined {
    const head = this.commands[0];
    return head === undefined ? undefined : Math.max(head.startedAt, this.lastReadAt);
  }

  send(command: Command): void {
    if (this.endError !== undefined) throw new Error('sent on a connection that has ended');
    this.lastTrafficAt = this.#clock.now();
    if (command.startedAt === 0) command.startedAt = this.lastTrafficAt;
    this.commands.push(command);
    this.sentNames.push(command.name);
    queueMicrotask(() => this.#answerByItself());
  }

  sendUnanswered(payload: string): void {
    this.sentNames.push(payload);
  }

  forEachInFlight(visit: (command: Command) => void): void {
    this.commands.forEach(visit);
  }

  expire(now: number): number {
    const late = this.commands.filter((command) => !command.settled && command.deadlineAt <= now);
    for (const command of late) {
      command.fail(new PoolError('COMMAND_TIMEOUT', `${command.name}: no reply`, { sent: true }));
    }
    return late.length;
  }

  keepAlive(): void {}

  drain(): void {
    this.#isDraining = true;
    this.writable = false;
    if (this.commands.length === 0) this.destroy(new PoolError('CONNECTION_LOST', 'drained'));
  }

  destroy(error: Error): void {
    this.lose(0, error);
  }

  /** The reply to the oldest command comes; an Error is an error reply. */
  reply(value: unknown = 'OK'): void {
    const command = this.commands.shift();
    if (command === undefined) throw new Error('no command waits for a reply');
    this.lastReadAt = this.#clock.now();
    this.lastTrafficAt = this.lastReadAt;
    if (!(value instanceof Error)) command.succeed(value);
    else if (!this.#isKept(command, value)) command.fail(value);
    this.listener.onLatency(this.lastReadAt - command.startedAt, 1);
    if (this.#isDraining && this.commands.length === 0) this.drain();
    else this.listener.onProgress();
  }

  /** The connection is lost. @param unsent How many of the newest commands were never written. */
  lose(unsent = 0, error: Error = new PoolError('CONNECTION_LOST', 'cut by the test')): void {
    if (this.endError !== undefined) return;
    this.endError = error;
    this.writable = false;
    const lost = this.commands.splice(0);
    const cut = lost.length - unsent;
    this.listener.onEnd(error, { sent: lost.slice(0, cut), unsent: lost.slice(cut) });
  }

  #isKept(command: Command, error: Error): boolean {
    const verdict = judgeErrorReply(error.message, command.kind);
    return this.listener.onErrorReply(command, { error, verdict });
  }

  #answerByItself(): void {
    const head = this.commands[0];
    const reply = head === undefined ? undefined : this.#answer(head.name, this);
    if (reply !== undefined) this.reply(reply);
  }
}

/** A dial that the test decides about. */
export interface HeldDial {
  accept(): SimulatedConnection;
  refuse(error: Error): void;
}

export class SimulatedSource implements ConnectionSource {
  readonly address = 'simulated:6379';
  onMoved: (() => void) | undefined = undefined;
  onDial: 'accept' | 'hold' | Error = 'accept';
  answer: Answer = () => undefined;
  dials = 0;
  demotions = 0;
  readonly heldDials: HeldDial[] = [];
  readonly connections: SimulatedConnection[] = [];

  constructor(readonly clock: Clock = simulatedClock) {}

  get open(): SimulatedConnection[] {
    return this.connections.filter(({ endError }) => endError === undefined);
  }

  async connect(signal: AbortSignal): Promise<Link> {
    this.dials++;
    if (this.onDial === 'accept') return this.#accept();
    if (this.onDial !== 'hold') throw this.onDial;
    return new Promise((resolve, reject) => {
      const settle = () => this.heldDials.splice(this.heldDials.indexOf(dial), 1);
      const dial: HeldDial = {
        accept: () => {
          const connection = this.#accept();
          settle();
          resolve(connection);
          return connection;
        },
        refuse: (error) => {
          settle();
          reject(error);
        },
      };
      this.heldDials.push(dial);
      signal.addEventListener('abort', () => dial.refuse(new PoolError('ABORTED', 'cancelled')));
    });
  }

  reportDemotion(): void {
    this.demotions++;
  }

  stop(): void {}

  #accept(): SimulatedConnection {
    const connection = new SimulatedConnection(this.clock, (name) => this.answer(name, connection));
    this.connections.push(connection);
    return connection;
  }
}

export interface SimulatedPool {
  readonly pool: ConnectionPool;
  readonly source: SimulatedSource;
  readonly redis: CoreClient;
  /** The open connection of that index. */
  connection(index?: number): SimulatedConnection;
}

/** Waits, in fake time, until all that is due now has happened. */
export async function settle(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

/** Longer than the pause between two rounds of refusals, ms. */
const REFUSAL_MS = 10;

/** How promises end that are refused, or answered, a moment from now in fake time. */
export async function soonAll<T>(promises: readonly Promise<T>[]): Promise<Outcome<T>[]> {
  const outcomes = outcomesOf(promises);
  await settle(REFUSAL_MS);
  return outcomes;
}

/** The same for one promise. */
export async function soon<T>(promise: Promise<T>): Promise<Outcome<T>> {
  const [outcome] = await soonAll([promise]);
  return outcome as Outcome<T>;
}

/**
 * A pool on simulated connections and fake time, which the test must have switched on. Without
 * jitter, as `random` is always 0, and without patience unless the test asks for it.
 */
export async function openSimulatedPool(
  options: PoolOptions = {},
  source = new SimulatedSource(),
  random: () => number = () => 0,
): Promise<SimulatedPool> {
  const breaker = { patienceMs: 0, ...options.breaker };
  const resolved = resolveOptions({ maxConnections: 4, ...options, breaker }, {});
  const pool = new ConnectionPool(resolved, {
    topology: new SingleTopology(source),
    clock: simulatedClock,
    random,
  });
  await settle();
  const connection = (index = 0) => {
    const found = source.open[index];
    if (found === undefined) throw new Error(`connection ${index} of ${source.open.length}`);
    return found;
  };
  return { pool, source, redis: new CoreClient(pool), connection };
}
