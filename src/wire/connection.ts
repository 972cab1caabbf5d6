// One socket that speaks RESP: commands go out in one write a turn of the event loop, replies come
// back in order and are matched with the head of the in-flight queue.
//
//   send() --> batch --(flush moment)--> socket --> server
//                                                        |
//   caller <-- Command.succeed() <-- in-flight queue <-- decoder
//
// It never retries and never reconnects; what it could not deliver, it hands to its listener.

import type { Socket } from 'node:net';
import type { Clock } from '../base/clock.js';
import type { Batch, Break, Command, Refusal, ReplyTypes } from '../base/command.js';
import type { Link, LinkListener, LinkLogin } from '../base/link.js';
import { RingQueue } from '../base/ring-queue.js';
import type { ServerFacts } from '../base/tracing.js';
import { PoolError } from '../errors.js';
import { judgeErrorReply } from '../policy/reply-verdict.js';
import { afterBreak, lostInBreak } from './broken-transaction.js';
import { Decoder, type DecoderEvents, PUSH_TYPES } from './decoder.js';
import { answerAtOnce, atFlushMoment } from './flush-moment.js';

/** A batch of text that grows to this many characters is written at once. */
const BATCH_CHARACTERS = 64 * 1024;
/** Bytes that may wait in the socket's own buffer before the connection takes no more commands. */
const FULL_BUFFER_BYTES = 1024 * 1024;

export class Connection implements Link {
  listener: LinkListener;
  /** The server's number for this connection, once HELLO told it. */
  serverClientId: number | undefined = undefined;
  /** Where the server stands, where HELLO told it (Valkey 8.1 on). */
  availabilityZone: string | undefined = undefined;
  /** Who is at the other end; the connector sets it, and the handshake what it calls itself. */
  server: ServerFacts | undefined = undefined;
  /** What it logged in with; the connector sets it where that may change. */
  login: LinkLogin | undefined = undefined;
  /** What the server speaks; the handshake sets it. */
  protocol: 2 | 3 = 3;
  lastReadAt: number;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #inFlight = new RingQueue<Command>();
  readonly #decoder: Decoder;
  #batch: Batch = { text: '' };
  #batchIsAscii = true;
  #batchedCommands = 0;
  #busySince = 0;
  #flushIsScheduled = false;
  /** The batch waits for the end of the turn: its commands may be issued milliseconds apart. */
  #gathersTurn = false;
  /** When the last command was issued; those that replies bring about share one reading. */
  #issuedAt: number;
  #earliestDeadlineAt = Number.POSITIVE_INFINITY;
  #isFull = false;
  #isDraining = false;
  /** Why nothing that follows can be trusted. */
  #break: Break | undefined;
  #endError: Error | undefined;
  #socketError: Error | undefined;
  /** Among the replies that are being collected; it ran, and is no refusal. */
  #hasLargeReply = false;
  // Replies of one chunk whose commands were issued at the same moment share one latency record.
  #runStartedAt = 0;
  #runLength = 0;

  /** @param maxReplyBytes A larger reply fails its own command and is skipped. */
  constructor(socket: Socket, clock: Clock, listener: LinkListener, maxReplyBytes: number) {
    this.#socket = socket;
    this.#clock = clock;
    this.listener = listener;
    this.lastReadAt = clock.now();
    this.#issuedAt = this.lastReadAt;
    const events: DecoderEvents = {
      onReply: (reply) => this.#onReply(reply),
      onErrorReply: (error) => this.#onErrorReply(error),
      onPush: (message) => this.listener.onPush(message),
      onTooLarge: () => this.#onTooLarge(maxReplyBytes),
      replyTypes: () => this.#replyTypes(),
      isUnwanted: () => this.#isReplyUnwanted(),
    };
    this.#decoder = new Decoder(events, maxReplyBytes);
    socket.on('error', (error) => {
      this.#socketError = error;
    });
    // TLS says first why, then that it is over.
    const onOver = () => this.#end(this.#socketError ?? closedByServer());
    socket.on('end', onOver);
    socket.on('close', onOver);
    socket.on('drain', () => this.#onDrain());
  }

  /** What nobody asked for is a message; over RESP2 it comes as a reply, and its text as bytes. */
  #replyTypes(): ReplyTypes | undefined {
    const command = this.#inFlight.peek();
    return command === undefined ? PUSH_TYPES : command.settings.replyTypes;
  }

  /** Its caller has an answer already. One of several replies may be the one that matters. */
  #isReplyUnwanted(): boolean {
    const command = this.#inFlight.peek();
    return command?.settled === true && command.replyCount === 1;
  }

  get inFlight(): number {
    return this.#inFlight.length;
  }

  get writable(): boolean {
    return !this.#isFull && !this.#isDraining && this.#endError === undefined;
  }

  /** Why it ended; `undefined` while it lives. */
  get endError(): Error | undefined {
    return this.#endError;
  }

  get lastTrafficAt(): number {
    return Math.max(this.lastReadAt, this.#issuedAt);
  }

  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  get bytesWritten(): number {
    return this.#socket.bytesWritten;
  }

  /** Since when the server owes a reply and has sent nothing; `undefined`: it owes none. */
  get waitingSince(): number | undefined {
    if (this.#inFlight.length === 0) return undefined;
    return Math.max(this.#busySince, this.lastReadAt);
  }

  /** It joins the queue last: whatever throws before leaves nothing that a reply could be given to. */
  send(command: Command): void {
    const payload = command.payload;
    if (!this.#flushIsScheduled) this.#scheduleFlush();
    else if (this.#gathersTurn) this.#issuedAt = this.#clock.now();
    if (command.startedAt === 0) command.startedAt = this.#issuedAt;
    const deadlineAt = command.deadlineAt;
    if (typeof payload === 'string') {
      command.joinBatch(this.#batch, payload);
      this.#batchedCommands++;
      if (!command.ascii) this.#batchIsAscii = false;
      if (this.#batch.text.length > BATCH_CHARACTERS) this.#write();
    } else {
      this.#sendParts(payload);
    }
    if (deadlineAt < this.#earliestDeadlineAt) this.#earliestDeadlineAt = deadlineAt;
    if (this.#inFlight.length === 0) this.#busySince = this.#issuedAt;
    this.#inFlight.push(command);
  }

  forEachInFlight(visit: (command: Command) => void): void {
    this.#inFlight.forEach(visit);
  }

  /** Tells callers whose deadline passed; their late replies will be dropped. */
  expire(now: number): number {
    if (now < this.#earliestDeadlineAt) return 0;
    let expired = 0;
    let earliest = Number.POSITIVE_INFINITY;
    for (let index = 0; index < this.#inFlight.length; index++) {
      const command = this.#inFlight.at(index) as Command;
      if (command.settled) continue;
      if (command.deadlineAt <= now) {
        command.fail(timedOut(command));
        expired++;
      } else {
        earliest = Math.min(earliest, command.deadlineAt);
      }
    }
    this.#earliestDeadlineAt = earliest;
    return expired;
  }

  /** Sends bytes that bring no reply of their own, as SUBSCRIBE does: its answers are pushes. */
  sendUnanswered(payload: string): void {
    if (!this.#flushIsScheduled) this.#scheduleFlush();
    this.#batch.text += payload;
    this.#batchIsAscii = false;
  }

  keepAlive(isWanted: boolean): void {
    if (isWanted) this.#socket.ref();
    else this.#socket.unref();
  }

  drain(): void {
    this.#isDraining = true;
    if (this.#inFlight.length === 0)
      this.#end(new PoolError('CONNECTION_LOST', 'Connection closed'));
  }

  destroy(error: Error): void {
    this.#end(error);
  }

  /** The 'data' handler of a socket that allocates its own chunks, and `onread`'s callback. */
  receive(chunk: Buffer, length: number): void {
    if (this.#endError !== undefined) return;
    this.lastReadAt = this.#clock.now();
    try {
      this.#decoder.write(chunk, length);
    } catch (error) {
      this.#end(error as Error);
      return;
    }
    this.#recordRun();
    answerAtOnce();
    if (this.#isDraining && this.#inFlight.length === 0) this.drain();
    else this.listener.onProgress();
  }

  #scheduleFlush(): void {
    this.#flushIsScheduled = true;
    this.#issuedAt = this.#clock.now();
    this.#gathersTurn = atFlushMoment(flush, this) === 'end of turn';
  }

  /** For `flush` alone, which has no `this` so that no closure is made for it. */
  flushBatch(): void {
    this.#flushIsScheduled = false;
    if (this.#endError === undefined) this.#write();
  }

  #write(): void {
    const { text } = this.#batch;
    if (text.length === 0) return;
    // For ASCII text latin1 gives the same bytes as utf8, without looking at each character.
    this.#socket.write(text, this.#batchIsAscii ? 'latin1' : 'utf8');
    this.#batch = { text: '' };
    this.#batchIsAscii = true;
    this.#afterWrite();
  }

  #sendParts(parts: readonly (string | Buffer)[]): void {
    // Corked, so that the parts and the text before them leave as one system call.
    this.#socket.cork();
    process.nextTick(uncork, this.#socket);
    for (const part of parts) {
      if (typeof part === 'string') {
        this.#batch.text += part;
        this.#batchIsAscii = false;
      } else {
        this.#write();
        this.#socket.write(part);
      }
    }
    this.#afterWrite();
  }

  #afterWrite(): void {
    this.#batchedCommands = 0;
    if (this.#socket.writableLength > FULL_BUFFER_BYTES) this.#isFull = true;
  }

  #onDrain(): void {
    if (!this.#isFull) return;
    this.#isFull = false;
    this.listener.onProgress();
  }

  #onReply(reply: unknown): void {
    const command = this.#inFlight.peek();
    if (command === undefined) {
      this.#onUnasked(reply);
    } else if (command.replyCount === 1) {
      this.#inFlight.shift();
      this.#countLatency(command);
      command.succeed(reply, this.protocol);
    } else {
      this.#collect(command, reply);
    }
  }

  #onErrorReply(error: Error): void {
    const command = this.#inFlight.peek();
    if (command === undefined) {
      this.#onUnasked(error);
    } else if (command.replyCount === 1) {
      this.#inFlight.shift();
      this.#countLatency(command);
      const { kind, preserve } = command;
      const refusal = kind.refusalIn?.([error], preserve) ?? {
        error,
        verdict: judgeErrorReply(error.message, kind),
      };
      this.#onRefused(command, refusal, undefined);
    } else {
      this.#collect(command, error);
    }
  }

  /** A reply without a command: where nobody has use for it, replies are out of step. */
  #onUnasked(reply: unknown): void {
    if (this.#endError !== undefined || this.listener.onUnasked(reply)) return;
    const isError = reply instanceof Error;
    this.#end(isError ? refusedError(reply) : outOfStep('a reply that no command asked for'));
  }

  /** Never tried again: the next reply would be as large. */
  #onTooLarge(maxReplyBytes: number): void {
    const command = this.#inFlight.peek();
    const error = replyTooLarge(command?.name, maxReplyBytes);
    if (command === undefined) {
      this.#end(error);
      return;
    }
    command.fail(error);
    if (command.replyCount === 1) {
      this.#inFlight.shift();
    } else {
      this.#hasLargeReply = true;
      this.#collect(command, error);
    }
  }

  #collect(command: Command, reply: unknown): void {
    command.replies ??= [];
    const { replies } = command;
    replies.push(reply);
    if (replies.length < command.replyCount) return;
    this.#inFlight.shift();
    this.#countLatency(command);
    const isJudged = !this.#hasLargeReply;
    this.#hasLargeReply = false;
    const refusal = isJudged ? command.kind.refusalIn?.(replies, command.preserve) : undefined;
    if (refusal === undefined) command.succeed(replies, this.protocol);
    else this.#onRefused(command, refusal, replies);
  }

  /** The listener may keep the command, e.g. to try again; else its caller gets what came. */
  #onRefused(command: Command, refusal: Refusal, replies: readonly unknown[] | undefined): void {
    const { breaks } = refusal.verdict;
    const known = breaks === undefined ? refusal : this.#onBreak(command, refusal, breaks);
    const isKept = this.listener.onErrorReply(command, known);
    if (!isKept) {
      if (replies === undefined || known !== refusal) command.fail(known.error);
      else command.succeed(replies, this.protocol);
    }
    // Before the next reply is handed out, as it may be anything.
    if (breaks !== undefined) {
      this.#end(outOfStep('a transaction that could not be closed', refusal.error));
    }
  }

  #onBreak(command: Command, refusal: Refusal, breaks: Break): Refusal {
    this.#break = breaks;
    const sent = this.#inFlight.length - this.#batchedCommands;
    const behind = Array.from({ length: sent }, (_, index) => this.#inFlight.at(index) as Command);
    return afterBreak(command, refusal, breaks, behind);
  }

  #countLatency(command: Command): void {
    if (command.settled) return;
    if (command.startedAt !== this.#runStartedAt) {
      this.#recordRun();
      this.#runStartedAt = command.startedAt;
    }
    this.#runLength++;
  }

  #recordRun(): void {
    if (this.#runLength === 0) return;
    this.listener.onLatency(this.lastReadAt - this.#runStartedAt, this.#runLength);
    this.#runLength = 0;
  }

  #end(error: Error): void {
    if (this.#endError !== undefined) return;
    this.#endError = error;
    this.#socket.destroy();
    this.#recordRun();
    const commands = this.#inFlight.drain();
    const firstUnsent = commands.length - this.#batchedCommands;
    const sent = commands.slice(0, firstUnsent);
    const unsent = commands.slice(firstUnsent);
    const lost = { sent, unsent };
    this.listener.onEnd(error, this.#break === undefined ? lost : lostInBreak(lost, this.#break));
  }
}

function flush(connection: Connection): void {
  connection.flushBatch();
}

function uncork(socket: Socket): void {
  socket.uncork();
}

function closedByServer(): PoolError {
  return new PoolError('CONNECTION_LOST', 'The server closed the connection');
}

function outOfStep(why: string, cause?: Error): PoolError {
  const text = `Connection closed, as its replies may be out of step: ${why}`;
  return new PoolError('PROTOCOL_ERROR', text, { cause });
}

function timedOut(command: Command): PoolError {
  return new PoolError(
    'COMMAND_TIMEOUT',
    `${command.name} had no reply within ${command.timeoutMs} ms; the server may have executed it`,
    { sent: true },
  );
}

function replyTooLarge(name: string | undefined, maxReplyBytes: number): PoolError {
  return new PoolError(
    'REPLY_TOO_LARGE',
    `The reply${name === undefined ? '' : ` to ${name}`} is larger than ${maxReplyBytes} bytes`,
    { sent: true },
  );
}

/** An error that answers no command: what the server says before it closes, e.g. maxclients. */
function refusedError(error: Error): PoolError {
  return new PoolError('CONNECTION_LOST', `The server ended the connection: ${error.message}`, {
    cause: error,
  });
}
