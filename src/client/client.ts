// The drop-in client: node-redis' API on a pool or a lease. This file has what is no command;
// methods for the commands are made from node-redis' definitions, once per configuration.
//
// `withCommandOptions()` and its kin give another client with the same events and host.

import { EventEmitter } from 'node:events';
import { PoolError } from '../errors.js';
import { CommandEncoder } from '../wire/encoder.js';
import {
  type CommandDefinition,
  functionArgumentsPrefix,
  type PubSubListener,
  type PubSubType,
  type RedisArgument,
  type RedisFunction,
  type RedisScript,
  type RespVersions,
  type TypeMapping,
} from '../wire/protocol.js';
import type { CallTerms } from './calls.js';
import { classOfWords } from './catalog.js';
import type { CommandContext, CommandOptions } from './context.js';
import { argumentError, DefinedCommand, encodeWords } from './encode.js';
import type { ClientHost } from './host.js';
import { issue, refused } from './issue.js';
import { transformsOf } from './kind.js';
import type { MonitorListener } from './monitor.js';
import type { MultiCommand } from './multi.js';
import * as scan from './scan.js';
import { ScriptCall } from './script.js';
import { overriddenSetup } from './setup.js';

type Channels = string | string[];
type Listener = PubSubListener<boolean>;

/** One encoder serves command after command; whoever finds it taken, in a callback, makes his own. */
let spareEncoder: CommandEncoder | undefined;

function takeEncoder({ keyPrefix, isSharded }: CommandContext): CommandEncoder {
  const encoder = spareEncoder;
  if (encoder === undefined) return new CommandEncoder(keyPrefix, isSharded);
  spareEncoder = undefined;
  encoder.reset(keyPrefix, isSharded);
  return encoder;
}

export class Client extends EventEmitter {
  /** Set by `clientClass`: the class of its transactions, with the same commands. */
  declare readonly Multi: typeof MultiCommand;
  // Not #private, so that a Proxy around a client, or Object.create() of one, works.
  private readonly host: ClientHost;
  private readonly context: CommandContext;
  /** Has the listeners: itself, or the client that this one was derived from. */
  private readonly root: Client;

  constructor(host: ClientHost, context: CommandContext, root?: Client) {
    super();
    this.host = host;
    this.context = context;
    this.root = root ?? this;
  }

  static commandMethod(definition: CommandDefinition, resp: RespVersions) {
    const defined = new DefinedCommand(definition, resp);
    return function (this: Client, ...args: unknown[]): Promise<unknown> {
      const { context } = this;
      const encoder = takeEncoder(context);
      try {
        definition.parseCommand(encoder, ...args);
      } catch (error) {
        return refused(context, argumentError(error));
      }
      const reply = issue(context, encoder, defined.kindOf(encoder));
      spareEncoder = encoder;
      return reply;
    };
  }

  static moduleMethod(definition: CommandDefinition, resp: RespVersions) {
    const method = Client.commandMethod(definition, resp);
    return function (this: { _self: Client }, ...args: unknown[]): Promise<unknown> {
      return method.apply(this._self, args);
    };
  }

  static functionMethod(name: string, definition: RedisFunction, resp: RespVersions) {
    const prefix = functionArgumentsPrefix(name, definition);
    const defined = new DefinedCommand(definition, resp, prefix);
    return async function (this: { _self: Client }, ...args: unknown[]): Promise<unknown> {
      const { context } = this._self;
      const encoder = defined.encode(context, args);
      return issue(context, encoder, defined.kindOf(encoder));
    };
  }

  static scriptMethod(script: RedisScript, resp: RespVersions) {
    const call = new ScriptCall(script, transformsOf(script, resp));
    return function (this: Client, ...args: unknown[]): Promise<unknown> {
      return call.run(this.context, args);
    };
  }

  get isOpen(): boolean {
    return this.host.isOpen;
  }

  /** Whether commands can be served now: connected, and the breaker closed. */
  get isReady(): boolean {
    return this.host.isReady;
  }

  get isPubSubActive(): boolean {
    return this.host.isPubSubActive;
  }

  /** Always false on `pool.client`, which can't WATCH; a duplicate can. */
  get isWatching(): boolean {
    return this.host.isWatching;
  }

  /**
   * The connection on which keys were watched was lost, so that the next `exec()` is a WatchError.
   * Always false on a lease: where its connection is lost, it rejects all that follows.
   */
  get isDirtyWatch(): boolean {
    return this.host.isDirtyWatch;
  }

  /** What the client was made with; holds no secret. */
  get options(): Record<string, unknown> {
    const { keyPrefix, options } = this.context;
    const { setup, description } = this.host;
    return { ...description, ...setup.sets, keyPrefix, commandOptions: options };
  }

  /** For whoever prints an object that has a client in it. */
  toJSON(): Record<string, unknown> {
    return { ...this.host.description, isOpen: this.isOpen, isReady: this.isReady };
  }

  /** @throws PoolError INVALID_ARGUMENT */
  withCommandOptions(options: CommandOptions): Client {
    const Class = this.constructor as typeof Client;
    return new Class(this.host, this.context.with(options), this.root);
  }

  withTypeMapping(typeMapping: TypeMapping): Client {
    return this.withCommandOptions({ typeMapping });
  }

  withAbortSignal(abortSignal: AbortSignal): Client {
    return this.withCommandOptions({ abortSignal });
  }

  /** Without effect: commands are written in the tick that issues them. */
  asap(): this {
    return this;
  }

  /** Sends words as they are. No key prefix, no transformation of the reply. */
  sendCommand(args: readonly RedisArgument[], options?: CommandOptions): Promise<unknown> {
    try {
      const context = options === undefined ? this.context : this.context.with(options);
      const encoder = encodeWords(args);
      return issue(context, encoder, classOfWords(encoder.name, encoder.subcommand));
    } catch (error) {
      return this.refusal(argumentError(error));
    }
  }

  multi(): MultiCommand {
    return new this.Multi(this.context);
  }

  /**
   * Resolves when the server has answered a PING, however long it is away. Rejects at once where
   * waiting is in vain.
   * @throws PoolError AUTH_FAILED, TLS_FAILED, PROTOCOL_ERROR, HANDSHAKE_FAILED, POOL_CLOSED
   */
  async connect(): Promise<this> {
    await this.host.connect(this.context).catch((error) => this.refusal(error));
    return this;
  }

  /**
   * A client of the same pool, which shares its connections: events, subscriptions and `close()`
   * are its own. It has a connection of its own once it is used as one, by a name, SELECT, WATCH or
   * a blocking call, until it is closed. Overrides: `name`, `keyPrefix`, `commandOptions`, `modules`,
   * `functions`, `scripts`.
   * @throws PoolError INVALID_ARGUMENT for an override that needs a pool of its own.
   */
  duplicate(overrides: object = {}): Client {
    const { keyPrefix, options: commandOptions } = this.context;
    const current = { ...this.host.setup, keyPrefix, commandOptions };
    const setup = overriddenSetup(current, overrides, this.host.description);
    return this.host.duplicate(this.context, setup) as Client;
  }

  subscribe(channels: Channels, listener: Listener, bufferMode?: boolean): Promise<void> {
    return this.pubSub((of, terms) =>
      of.subscribe('CHANNELS', channels, listener, bufferMode, terms),
    );
  }

  unsubscribe(channels?: Channels, listener?: Listener, bufferMode?: boolean): Promise<void> {
    return this.pubSub((of, terms) =>
      of.unsubscribe('CHANNELS', channels, listener, bufferMode, terms),
    );
  }

  pSubscribe(patterns: Channels, listener: Listener, bufferMode?: boolean): Promise<void> {
    return this.pubSub((of, terms) =>
      of.subscribe('PATTERNS', patterns, listener, bufferMode, terms),
    );
  }

  pUnsubscribe(patterns?: Channels, listener?: Listener, bufferMode?: boolean): Promise<void> {
    return this.pubSub((of, terms) =>
      of.unsubscribe('PATTERNS', patterns, listener, bufferMode, terms),
    );
  }

  sSubscribe(channels: Channels, listener: Listener, bufferMode?: boolean): Promise<void> {
    return this.pubSub((of, terms) =>
      of.subscribe('SHARDED', channels, listener, bufferMode, terms),
    );
  }

  sUnsubscribe(channels?: Channels, listener?: Listener, bufferMode?: boolean): Promise<void> {
    return this.pubSub((of, terms) =>
      of.unsubscribe('SHARDED', channels, listener, bufferMode, terms),
    );
  }

  getPubSubListeners(type: PubSubType) {
    return this.host.subscriber().subscriptions.listeners(type);
  }

  /** Calls back with each command that the server executes, until the returned function is called. */
  monitor(listener: MonitorListener): Promise<() => void> {
    return this.host.monitor(this.context, listener).catch((error) => this.refusal(error));
  }

  scanIterator(options?: scan.IteratorOptions) {
    return scan.scanIterator(this, options);
  }

  hScanIterator(key: RedisArgument, options?: scan.IteratorOptions) {
    return scan.hScanIterator(this, key, options);
  }

  hScanValuesIterator(key: RedisArgument, options?: scan.IteratorOptions) {
    return scan.hScanValuesIterator(this, key, options);
  }

  hScanNoValuesIterator(key: RedisArgument, options?: scan.IteratorOptions) {
    return scan.hScanNoValuesIterator(this, key, options);
  }

  sScanIterator(key: RedisArgument, options?: scan.IteratorOptions) {
    return scan.sScanIterator(this, key, options);
  }

  zScanIterator(key: RedisArgument, options?: scan.IteratorOptions) {
    return scan.zScanIterator(this, key, options);
  }

  /** Ends subscriptions, MONITOR and a duplicate's session; on a lease, undoes WATCH, MULTI, SELECT. */
  reset(): Promise<void> {
    return this.host.reset();
  }

  /**
   * Ends what is this client's own, after what is in flight; `connect()` opens it again. When no
   * client of the pool is open any more, its connections are closed too. A lease: gives it back.
   */
  close(): Promise<void> {
    return this.host.close();
  }

  /** As `close()`, without waiting for what is in flight. */
  destroy(): void {
    this.host.destroy();
  }

  async disconnect(): Promise<void> {
    this.host.destroy();
  }

  async quit(): Promise<string> {
    await this.host.close();
    return 'OK';
  }

  /** Undoes `unref()`. */
  ref(): void {
    this.host.ref();
  }

  /**
   * Lets the process end though connections are open. On `pool.client`, it concerns the pool; on
   * duplicates and leases it is without effect, as the connections are the pool's.
   */
  unref(): void {
    this.host.unref();
  }

  /** @throws PoolError INVALID_ARGUMENT always. */
  legacy(): never {
    throw new PoolError('INVALID_ARGUMENT', 'legacy(): there is no callback interface');
  }

  /** @throws PoolError INVALID_ARGUMENT always. */
  createPool(): never {
    throw new PoolError('INVALID_ARGUMENT', 'createPool(): this client is of a pool already');
  }

  private async pubSub(
    act: (subscriber: ReturnType<ClientHost['subscriber']>, terms: CallTerms) => Promise<void>,
  ): Promise<void> {
    const { options, signal } = this.context;
    try {
      await act(this.host.subscriber(), { timeoutMs: options.timeout, signal });
    } catch (error) {
      await this.refusal(error as Error);
    }
  }

  private refusal(error: Error): Promise<never> {
    return refused(this.context, error);
  }
}
