// What one client sends its commands with: where they run, key prefix, deadline, typing, signal.
// `withCommandOptions()` makes a copy with something changed, so nothing is merged per command.

import type { ReplyTypes } from '../base/command.js';
import type { TraceOrigin } from '../base/tracing.js';
import { suggest } from '../config/suggest.js';
import { PoolError } from '../errors.js';
import type { ConnectionLease } from '../node/lease.js';
import type { Order } from '../node/order.js';
import type { CommandExecutor, PoolExecutor } from '../pool/executor.js';
import type { RedisArgument } from '../wire/protocol.js';
import { type ClaimingPool, InOrder } from './in-order.js';
import type { ClientSession } from './session.js';

type RetryWrites = 'safe' | 'always' | 'never';

/** The rest is for node-redis' own use, and of none here. */
const COMMAND_OPTIONS: readonly string[] = [
  ...['typeMapping', 'abortSignal', 'timeout', 'retryWrites', 'ordered', 'asap', 'chainId'],
  ...['slotNumber', 'askRedirect'],
];
const RETRY_WRITES: readonly unknown[] = ['safe', 'always', 'never'];

/** Options for all commands of a client, see `withCommandOptions()`. */
export interface CommandOptions<TM = object> {
  /** From RESP type to JavaScript type, as in node-redis. */
  typeMapping?: TM | undefined;
  /** Rejects commands with ABORTED once it aborts. */
  abortSignal?: AbortSignal | undefined;
  /** The one deadline over waiting, sending, retries and the reply, ms; 0: none. */
  timeout?: number | undefined;
  /** Whether a write whose outcome is unknown may run twice. Default: the pool's. */
  retryWrites?: RetryWrites | undefined;
  /**
   * Commands arrive in the order in which they are issued, though nobody waits for their answers.
   * Default: true for duplicates, false for `pool.client`; without effect in a cluster.
   */
  ordered?: boolean | undefined;
  /** Taken for compatibility and without effect: a lane has no queue to be jumped. */
  asap?: boolean | undefined;
  /** Taken for compatibility and without effect. */
  chainId?: symbol | undefined;
}

interface PoolPlace {
  readonly pool: ClaimingPool;
  readonly session?: ClientSession | undefined;
  /** Where the client's order is kept, once it has one. */
  readonly order?: Order | undefined;
  /** Unless its options say otherwise. Default false. */
  readonly isOrdered?: boolean;
}

export class CommandContext {
  readonly executor: CommandExecutor;
  /** Where blocking commands run beside others; `undefined` on a lease, which may block. */
  readonly pool: PoolExecutor | undefined;
  readonly lease: ConnectionLease | undefined;
  /** The connection of its own that a duplicate may have. */
  readonly session: ClientSession | undefined;
  /** Whether keys decide where a command runs. */
  readonly isSharded: boolean;
  /** Whether anything does: where keys don't, it is whether a command only reads. */
  readonly isRouted: boolean;
  readonly keyPrefix: RedisArgument | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly replyTypes: ReplyTypes | undefined;
  readonly retryWrites: RetryWrites | undefined;
  readonly onError: ((error: unknown) => void) | undefined;
  /** What is told of where they come from; `undefined`: nothing is told of them. */
  readonly traceOrigin: TraceOrigin | undefined;
  /** The duplicate whose they are, as it may end before the pool. */
  readonly holder: object | undefined;
  /** Told of commands that are tried again; `undefined`: no order is kept. */
  readonly order: Order | undefined;
  /** The options that were given, complete, for `options` and `duplicate()`. */
  readonly options: CommandOptions;
  private readonly defaultTimeoutMs: number;
  readonly #place: PoolPlace | { lease: ConnectionLease };

  /** @param defaultTimeoutMs Deadline of commands whose options name none, ms; 0: none. */
  constructor(
    place: PoolPlace | { lease: ConnectionLease },
    keyPrefix: RedisArgument | undefined,
    defaultTimeoutMs: number,
    options: CommandOptions,
  ) {
    this.pool = 'pool' in place ? place.pool : undefined;
    this.lease = 'lease' in place ? place.lease : undefined;
    this.session = 'pool' in place ? place.session : undefined;
    this.#place = place;
    this.order = 'pool' in place ? orderOf(place, options) : undefined;
    this.executor = 'pool' in place ? executorOf(place, this.order) : place.lease;
    this.isSharded = this.executor.isSharded;
    this.isRouted = this.isSharded || this.executor.hasReaders === true;
    this.keyPrefix = keyPrefix;
    this.timeoutMs = options.timeout ?? defaultTimeoutMs;
    this.signal = options.abortSignal;
    this.replyTypes = options.typeMapping as ReplyTypes | undefined;
    this.retryWrites = options.retryWrites;
    this.onError = this.executor.onError;
    this.traceOrigin = this.executor.traceOrigin;
    this.holder = this.executor.holder;
    this.options = options;
    this.defaultTimeoutMs = defaultTimeoutMs;
  }

  /** @throws PoolError INVALID_ARGUMENT */
  with(options: CommandOptions): CommandContext {
    const place = this.order === undefined ? this.#place : { ...this.#place, order: this.order };
    const merged = { ...this.options, ...checkedOptions(options) };
    return new CommandContext(place, this.keyPrefix, this.defaultTimeoutMs, merged);
  }

  /** For another client of the same pool. */
  at(
    place: PoolPlace,
    keyPrefix: RedisArgument | undefined,
    options: CommandOptions,
  ): CommandContext {
    return new CommandContext(place, keyPrefix, this.defaultTimeoutMs, options);
  }
}

/** The options as they are. @throws PoolError INVALID_ARGUMENT that names the first wrong one. */
export function checkedOptions(options: unknown): CommandOptions {
  if (typeof options !== 'object' || options === null) throw wrong('must be an object');
  for (const name in options) if (!COMMAND_OPTIONS.includes(name)) throw wrong(misspelt(name));
  const { typeMapping, abortSignal, timeout, retryWrites, ordered } = options as CommandOptions;
  if (typeMapping !== undefined && (typeof typeMapping !== 'object' || typeMapping === null)) {
    throw wrong('typeMapping must be an object');
  }
  if (abortSignal !== undefined && !(abortSignal instanceof AbortSignal)) {
    throw wrong('abortSignal must be an AbortSignal');
  }
  if (timeout !== undefined && !(typeof timeout === 'number' && timeout >= 0)) {
    throw wrong('timeout must be a number of milliseconds, 0 or more');
  }
  if (retryWrites !== undefined && !RETRY_WRITES.includes(retryWrites)) {
    throw wrong("retryWrites must be 'safe', 'always' or 'never'");
  }
  if (ordered !== undefined && typeof ordered !== 'boolean') {
    throw wrong('ordered must be true or false');
  }
  return options;
}

function orderOf(place: PoolPlace, { ordered }: CommandOptions): Order | undefined {
  if (place.pool.isSharded || !(ordered ?? place.isOrdered ?? false)) return undefined;
  return place.order ?? place.pool.createOrder?.();
}

function executorOf({ pool }: PoolPlace, order: Order | undefined): PoolExecutor {
  return order === undefined ? pool : new InOrder(pool, order);
}

function misspelt(name: string): string {
  const meant = suggest(name, COMMAND_OPTIONS);
  return `${name} is none${meant === undefined ? '' : `; did you mean ${meant}?`}`;
}

function wrong(what: string): PoolError {
  return new PoolError('INVALID_ARGUMENT', `Command options: ${what}`, { sent: false });
}
