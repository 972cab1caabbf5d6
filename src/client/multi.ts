// Commands collected to go out together: as MULTI ... EXEC or as a plain pipeline. Either is one
// Command with one contiguous payload, which is why it needs no lease: on a lane nobody else's
// command can come between. Where keys decide which server runs them, a transaction has one slot,
// and a pipeline is put in groups by slot (`cluster/pipeline.ts`).

import {
  Command,
  type CommandKind,
  newHistory,
  type Payload,
  type RetryClass,
} from '../base/command.js';
import { textPayload } from '../base/payload.js';
import type { BatchTrace } from '../base/tracing.js';
import { PoolError } from '../errors.js';
import { blockTimeMs, type CommandClass } from '../policy/command-class.js';
import { newSession, type Session, trackSession } from '../policy/session.js';
import type { CommandEncoder } from '../wire/encoder.js';
import {
  attachConfig,
  type CommandDefinition,
  type CommanderConfig,
  functionArgumentsPrefix,
  MultiErrorReply,
  type RedisArgument,
  type RedisFunction,
  type RedisFunctions,
  type RedisModules,
  type RedisScript,
  type RedisScripts,
  type RespVersions,
  WatchError,
} from '../wire/protocol.js';
import { classOfWords, type RoutedClass } from './catalog.js';
import {
  commonRoute,
  firstCrossing,
  type PlacedCommand,
  placedCommand,
  runPipeline,
} from './cluster/pipeline.js';
import { crossSlot } from './cluster/slots.js';
import type { CommandContext } from './context.js';
import { DefinedCommand, encodeWords } from './encode.js';
import { deadlineWith, leaseRequired, refusalOf, refused } from './issue.js';
import { NO_TRANSFORMS, type QueuedReply, type Transforms, transformsOf } from './kind.js';
import { pipelineKind, type Queue, transactionKind } from './multi-replies.js';
import { isForReplicas, READ } from './reads.js';
import { ScriptCall } from './script.js';
import { isBatchTraced, traceBatch } from './tracing.js';

const MULTI = textPayload(['MULTI']);
const EXEC = textPayload(['EXEC']);
const TRANSACTION = kindsBy(transactionKind);
const PIPELINE = kindsBy(pipelineKind);

/** They open, close or leave the transaction, or a refusal of them may go without a reply. */
const NOT_IN_A_BATCH = new Set(['AUTH', 'DISCARD', 'EXEC', 'HELLO', 'MULTI', 'QUIT', 'RESET']);

/** A queued command that is not ordinary: it may block, or has no place on a lane. */
interface SpecialCommand {
  readonly commandClass: CommandClass;
  readonly blockMs: number | undefined;
}

/** As a whole it is no better than the worst of what is in it. */
type BatchClass = Exclude<RetryClass, 'unknown'>;

type ReplyTransform = (reply: never, preserve?: unknown, typeMapping?: never) => unknown;

export class MultiCommand {
  readonly #context: CommandContext;
  readonly #queue: QueuedReply[] = [];
  readonly #special: SpecialCommand[] = [];
  /** The queued commands as RESP: one text, or parts from the first Buffer on. */
  #text = '';
  #parts: (string | Buffer)[] | undefined;
  #ascii = true;
  /** What repeating all of it comes to. */
  #retryClass: BatchClass = 'read';
  #errorAuthors: Set<number> | undefined;
  #scriptsSent: Set<string> | undefined;
  /** A replica may serve all that was queued, where replicas serve reads. */
  #isForReplicas = true;
  /** The name that all have so far; `undefined`: they differ. */
  #commonName: string | undefined;
  /** The same commands with where they belong; `undefined`: all servers are one. */
  readonly #placed: PlacedCommand[] | undefined;

  constructor(context: CommandContext) {
    this.#context = context;
    this.#placed = context.isSharded ? [] : undefined;
  }

  /** The class for one configuration, with a method for each command. */
  static extend(
    config: CommanderConfig<RedisModules, RedisFunctions, RedisScripts, RespVersions>,
    commands: Record<string, CommandDefinition>,
  ): typeof MultiCommand {
    return attachConfig({
      BaseClass: MultiCommand as never,
      commands,
      createCommand: MultiCommand.#commandMethod,
      createModuleCommand: MultiCommand.#moduleMethod,
      createFunctionCommand: MultiCommand.#functionMethod,
      createScriptCommand: MultiCommand.#scriptMethod,
      config,
    });
  }

  static #commandMethod(definition: CommandDefinition, resp: RespVersions) {
    const defined = new DefinedCommand(definition, resp);
    return function (this: MultiCommand, ...args: unknown[]) {
      return this.#parse(defined, args);
    };
  }

  static #moduleMethod(definition: CommandDefinition, resp: RespVersions) {
    const defined = new DefinedCommand(definition, resp);
    return function (this: { _self: MultiCommand }, ...args: unknown[]) {
      return this._self.#parse(defined, args);
    };
  }

  static #functionMethod(name: string, definition: RedisFunction, resp: RespVersions) {
    const prefix = functionArgumentsPrefix(name, definition);
    const defined = new DefinedCommand(definition, resp, prefix);
    return function (this: { _self: MultiCommand }, ...args: unknown[]) {
      return this._self.#parse(defined, args);
    };
  }

  static #scriptMethod(script: RedisScript, resp: RespVersions) {
    const call = new ScriptCall(script, transformsOf(script, resp));
    return function (this: MultiCommand, ...args: unknown[]) {
      // The first use brings the text, so that later ones in the same batch find it by its digest.
      this.#scriptsSent ??= new Set();
      const withText = !this.#scriptsSent.has(script.SHA1);
      this.#scriptsSent.add(script.SHA1);
      const encoder = call.encode(this.#context, withText, args);
      const commandClass = classOfWords(encoder.name, undefined);
      // In a pipeline over several servers, one of them may not have the first use.
      const isTextLacking = this.#placed !== undefined && !withText;
      const whole = isTextLacking ? call.encode(this.#context, true, args) : encoder;
      return this.#add(encoder, commandClass, call, whole);
    };
  }

  /** Queues a command that comes as words; no key prefix is put before any of them. */
  addCommand(args: readonly RedisArgument[] & { preserve?: unknown }, transform?: ReplyTransform) {
    const encoder = encodeWords(args);
    encoder.preserve = args.preserve;
    const commandClass = classOfWords(encoder.name, encoder.subcommand);
    return this.#add(encoder, commandClass, {
      transforms: transform === undefined ? NO_TRANSFORMS : { resp3: transform, resp2: transform },
    });
  }

  /** Queues a raw command. */
  sendCommand(args: readonly RedisArgument[]) {
    return this.addCommand(args);
  }

  /**
   * Sends MULTI, what was queued, and EXEC; or a plain pipeline.
   * @throws WatchError, MultiErrorReply, ErrorReply, PoolError
   */
  exec(execAsPipeline = false): Promise<unknown[]> {
    if (execAsPipeline) return this.execAsPipeline();
    return this.#told('MULTI', (trace) => this.#runTransaction(trace));
  }

  EXEC(execAsPipeline = false): Promise<unknown[]> {
    return this.exec(execAsPipeline);
  }

  /** As `exec()`; the type knows each reply. */
  execTyped(execAsPipeline = false): Promise<unknown[]> {
    return this.exec(execAsPipeline);
  }

  /** Sends what was queued without MULTI: others' commands are not kept out in between. */
  execAsPipeline(): Promise<unknown[]> {
    if (this.#queue.length === 0) return Promise.resolve([]);
    return this.#told('PIPELINE', (trace) => this.#runPipeline(trace));
  }

  /** As `execAsPipeline()`; the type knows each reply. */
  execAsPipelineTyped(): Promise<unknown[]> {
    return this.execAsPipeline();
  }

  #runPipeline(trace: BatchTrace | undefined): Promise<unknown[]> {
    const refusal = this.#refusal(true);
    if (refusal !== undefined) return refused(this.#context, refusal);
    if (this.#placed !== undefined) return this.#runSpreadPipeline(this.#placed.slice());
    const blockMs = totalBlockMs(this.#special);
    const kind = PIPELINE[this.#retryClass];
    const command = this.#newCommand(kind, this.#payload('', ''), blockMs);
    command.isBlocking = blockMs !== undefined;
    command.replyCount = this.#queue.length;
    if (this.#context.isRouted && this.#isForReplicas) command.route = READ;
    return this.#send(command, trace);
  }

  /** Its caller gets one error, which is counted once. */
  async #runSpreadPipeline(placed: readonly PlacedCommand[]): Promise<unknown[]> {
    try {
      return await runPipeline(this.#context, placed);
    } catch (error) {
      this.#context.onError?.(error);
      throw error;
    }
  }

  #runTransaction(trace: BatchTrace | undefined): Promise<unknown[]> {
    const refusal = this.#refusal(false);
    if (refusal !== undefined) return refused(this.#context, refusal);
    const voided = voidWatch(this.#context);
    if (voided !== undefined) return this.#context.executor.refusal(voided);
    const kind = TRANSACTION[this.#retryClass];
    const command = this.#newCommand(kind, this.#payload(MULTI, EXEC), undefined);
    // Inside MULTI nothing blocks; but where the server refuses MULTI, it does, and for ever.
    command.isBlocking = totalBlockMs(this.#special) !== undefined;
    // MULTI and EXEC are answered too.
    command.replyCount = this.#queue.length + 2;
    command.route = this.#placed && commonRoute(this.#placed);
    return this.#send(command, trace);
  }

  #parse(defined: DefinedCommand, args: readonly unknown[]): this {
    const encoder = defined.encode(this.#context, args);
    return this.#add(encoder, defined.kindOf(encoder), defined);
  }

  /** @param whole The command as it can stand alone, for a pipeline over several servers. */
  #add(
    encoder: CommandEncoder,
    commandClass: RoutedClass,
    holder: { readonly transforms: Transforms },
    whole = encoder,
  ): this {
    const { preserve } = encoder;
    this.#append(encoder.payload());
    if (!encoder.ascii) this.#ascii = false;
    const { name } = commandClass;
    if (this.#queue.length === 0) this.#commonName = name;
    else if (name !== this.#commonName) this.#commonName = undefined;
    this.#retryClass = worseClass(this.#retryClass, commandClass.retryClass);
    if (this.#isForReplicas) this.#isForReplicas = isForReplicas(commandClass);
    if (commandClass.mayMakeUpErrors) {
      this.#errorAuthors ??= new Set();
      this.#errorAuthors.add(this.#queue.length);
    }
    // Nearly all commands preserve nothing, so that what their definition has is all there is.
    const queued = preserve === undefined ? holder : { transforms: holder.transforms, preserve };
    this.#queue.push(queued);
    this.#placed?.push(placedCommand(whole, commandClass, queued));
    if (!commandClass.isOrdinary) {
      const blockMs = commandClass.mayBlock ? blockTimeMs(name, encoder.redisArgs) : undefined;
      this.#special.push({ commandClass, blockMs });
    }
    return this;
  }

  #append(payload: Payload): void {
    if (this.#parts === undefined && typeof payload === 'string') {
      this.#text += payload;
      return;
    }
    this.#parts ??= [this.#text];
    if (typeof payload === 'string') this.#parts.push(payload);
    else for (const part of payload) this.#parts.push(part);
  }

  #payload(before: string, after: string): Payload {
    if (this.#parts === undefined) return before + this.#text + after;
    return [before, ...this.#parts, after];
  }

  #refusal(isPipeline: boolean): PoolError | undefined {
    const { lease } = this.#context;
    if (!isPipeline && this.#state?.inTransaction === true) return alreadyInTransaction();
    for (const { commandClass, blockMs } of this.#special) {
      const isOutOfPlace = commandClass.need === 'lease' && lease === undefined;
      const refusal = isOutOfPlace
        ? leaseRequired(`${commandClass.name} in multi()`)
        : (refusalOf(commandClass, this.#context) ?? refusalInBatch(commandClass));
      if (refusal !== undefined) return refusal;
      // It would hold up everybody on the lane, as MULTI does not keep it from blocking.
      const blocksLane = isPipeline && blockMs !== undefined && lease === undefined;
      if (blocksLane) return leaseRequired(`${commandClass.name} in a pipeline`);
    }
    return this.#placed === undefined ? undefined : crossing(this.#placed, isPipeline);
  }

  #newCommand(kind: CommandKind, payload: Payload, blockMs: number | undefined): Command {
    const { replyTypes, retryWrites, holder, order } = this.#context;
    const timeoutMs = deadlineWith(blockMs, this.#context.timeoutMs);
    const onError = this.#onError;
    const settings = { timeoutMs, replyTypes, retryWrites, holder, order, onError };
    const queue: Queue = {
      commands: this.#queue.slice(),
      errorAuthors: this.#errorAuthors,
      isSharded: this.#context.isSharded,
    };
    return new Command(kind, settings, payload, this.#ascii, queue);
  }

  /** Of the connection that it goes to, if that is the caller's own. */
  get #state(): Session | undefined {
    const { lease, session } = this.#context;
    return lease?.session ?? session?.state;
  }

  /** That a watched key was changed is an answer, and no error to be counted. */
  get #onError(): CommandContext['onError'] {
    const { onError } = this.#context;
    if (this.#state?.watching !== true) return onError;
    return (error) => error instanceof WatchError || onError?.(error);
  }

  /** Runs it, and tells of it where somebody listens. */
  #told(
    mode: BatchTrace['mode'],
    run: (trace: BatchTrace | undefined) => Promise<unknown[]>,
  ): Promise<unknown[]> {
    if (!isBatchTraced()) return run(undefined);
    const payload = mode === 'MULTI' ? this.#payload(MULTI, EXEC) : this.#payload('', '');
    const size = this.#queue.length;
    const facts = { mode, size, command: this.#commonName, payload, ascii: this.#ascii };
    return traceBatch(this.#context, facts, run);
  }

  #send(command: Command, trace: BatchTrace | undefined): Promise<unknown[]> {
    if (trace !== undefined) command.history = newHistory(trace);
    const { executor, lease, pool, signal } = this.#context;
    if (command.isBlocking && pool !== undefined) {
      return pool.executeExclusive(command, signal) as Promise<unknown[]>;
    }
    const state = this.#state;
    // To be asked before EXEC is sent, which ends it.
    const isWatching = state?.watching === true;
    const reply = executor.execute(command, signal) as Promise<unknown[]>;
    if (isWatching) reply.catch((error) => keepsWatching(error) && taint(state));
    // The lease sees one command; what the queued ones do to its session has to be told.
    if (lease !== undefined) {
      lease.session ??= newSession();
      for (const { commandClass } of this.#special) trackSession(lease.session, commandClass.name);
    }
    return reply;
  }
}

/** EXEC ends WATCH, but it may not have come to that where MULTI was refused. */
function keepsWatching(error: unknown): boolean {
  return !(error instanceof WatchError || error instanceof MultiErrorReply);
}

function taint(session: Session): void {
  session.tainted = true;
}

function refusalInBatch({ name }: CommandClass): PoolError | undefined {
  if (!NOT_IN_A_BATCH.has(name)) return undefined;
  const text = `${name} can't be one of several commands that are sent together: send it alone`;
  return new PoolError('INVALID_ARGUMENT', text, { sent: false });
}

/** A transaction is one server's; of a pipeline, each command is. */
function crossing(commands: readonly PlacedCommand[], isPipeline: boolean): PoolError | undefined {
  if (!isPipeline) return commonRoute(commands) === undefined ? crossSlot('multi()') : undefined;
  const found = firstCrossing(commands);
  return found && crossSlot(found.commandClass.name);
}

/** The connection on which keys were watched is not this one: they may have changed meanwhile. */
function voidWatch({ session }: CommandContext): Error | undefined {
  if (session === undefined || !session.isWatchVoid) return undefined;
  session.forgetWatch();
  return new WatchError('Client reconnected after WATCH');
}

function alreadyInTransaction(): PoolError {
  const text = 'MULTI: a transaction was opened by hand on this lease, so end that one first';
  return new PoolError('INVALID_ARGUMENT', text, { sent: false });
}

function kindsBy(make: (retryClass: BatchClass) => CommandKind) {
  return { read: make('read'), write: make('write'), once: make('once') };
}

function worseClass(known: BatchClass, added: RetryClass): BatchClass {
  if (known === 'once' || added === 'once') return 'once';
  return added === 'read' ? known : 'write';
}

function totalBlockMs(commands: readonly SpecialCommand[]): number | undefined {
  const blocking = commands.filter(({ blockMs }) => blockMs !== undefined);
  if (blocking.length === 0) return undefined;
  return blocking.reduce((sum, { blockMs }) => sum + (blockMs as number), 0);
}
