// A connection as those above it see it. `wire` makes one of a socket, `node` uses it, `topology`
// brings the two together; a test can put a simulated one here.

import type { Command, Refusal } from './command.js';
import type { ServerFacts } from './tracing.js';

/** What became of the commands in flight when a connection ended. */
export interface LostCommands {
  /** Handed to the socket: the server may have executed them. */
  readonly sent: readonly Command[];
  /** Not handed to the socket: they certainly did not run. */
  readonly unsent: readonly Command[];
}

export interface LinkListener {
  /** Replies were read and handed out; there may be room for more commands. */
  onProgress(): void;
  /** `count` replies came `latencyMs` after their callers asked. */
  onLatency(latencyMs: number, count: number): void;
  /** The server answered an error. True: the listener keeps the command, e.g. to retry it. */
  onErrorReply(command: Command, refusal: Refusal): boolean;
  /** The connection is over, once and for all. */
  onEnd(error: Error, lost: LostCommands): void;
  /** A RESP3 push, which answers no command: pub/sub, invalidation. */
  onPush(message: readonly unknown[]): void;
  /**
   * A reply, an error too, while no command is in flight. True: the listener had use for it, as a
   * subscriber or a MONITOR has; else the connection ends, as its replies are out of step.
   */
  onUnasked(reply: unknown): boolean;
}

/** What a connection logged in with, where that may change while it lives. */
export interface LinkLogin {
  /** There are newer credentials. */
  readonly isStale: boolean;
  /** Logs in with them. To be called while nothing is in flight; never rejects. */
  renew(): Promise<void>;
}

export interface Link {
  listener: LinkListener;
  /** Commands whose reply has not come, including those not yet handed to the socket. */
  readonly inFlight: number;
  /** False while the socket's write buffer is full, and after the end. */
  readonly writable: boolean;
  /** When bytes were last read, on the pool's clock. */
  readonly lastReadAt: number;
  /** When a command was last sent or bytes were last read, on the pool's clock. */
  readonly lastTrafficAt: number;
  /** Since when the server owes a reply and has sent nothing; `undefined`: it owes none. */
  readonly waitingSince: number | undefined;
  /** Bytes read since it was dialed, without what TLS adds. */
  readonly bytesRead: number;
  /** Bytes written since it was dialed, without what TLS adds; some may wait in its buffer. */
  readonly bytesWritten: number;
  /** The server's number for this connection, where the handshake told it. */
  readonly serverClientId: number | undefined;
  /** Who is at the other end; `undefined`: a simulated server. */
  readonly server?: ServerFacts | undefined;
  /** `undefined`: what it logged in with is good for as long as it lives. */
  readonly login?: LinkLogin | undefined;
  send(command: Command): void;
  /** Sends RESP bytes of which the caller matches the answers: `onPush` and `onUnasked` bring them. */
  sendUnanswered(payload: string): void;
  /** Calls back with each command whose reply has not come, oldest first. */
  forEachInFlight(visit: (command: Command) => void): void;
  /** Tells callers whose deadline passed; returns how many. Late replies are dropped. */
  expire(now: number): number;
  /** Whether it keeps the process alive; it does until it is told otherwise. */
  keepAlive(isWanted: boolean): void;
  /** Ends when the last reply has come. */
  drain(): void;
  /** Ends now. */
  destroy(error: Error): void;
}

/** Where connections come from. `topology` implements it: one server, Sentinel, Cluster. */
export interface ConnectionSource {
  /** What is connected to, for messages: `host:port`, a path, a master's name. No secret. */
  readonly address: string;
  /** It only looks for servers, and makes no connection. */
  readonly isLobby?: true;
  /**
   * Makes one connection, ready for commands; `undefined`: none is needed any more.
   * @param keepsAlive Whether the attempt keeps the process alive.
   * @throws PoolError, see `docs/errors.md`.
   */
  connect(signal: AbortSignal, keepsAlive: boolean): Promise<Link | undefined>;
  /** The server behind a connection answered that it is no primary any more. */
  reportDemotion(): void;
  /** Set by the pool: the connections made so far lead to a node that is no longer the right one. */
  onMoved: (() => void) | undefined;
  /** Set by its topology: nobody could be asked where the server is; once, until somebody answers. */
  onLookFailed?: ((error: Error) => void) | undefined;
  /** Ends what it does beside the connections, for good. */
  stop(): void;
}
