// One simulated Redis server: its clients, its state, and what can befall it. What it answers to
// commands stands in `commands.ts`; which slots are its own, in `cluster.ts`.
//
//   up --kill()--> down --start()--> up        up --hang(ms)--> takes bytes, answers nothing --> up
//   a mood: for a while it answers each command with one error, as LOADING or BUSY

import type { EventLoop } from 'plimsoll-cli/simulated-time/event-loop.js';
import type {
  Listener,
  Network,
  NetworkConnection,
  ServerEnd,
} from 'plimsoll-cli/simulated-time/network.js';
import { CommandReader, error } from 'plimsoll-cli/simulated-time/resp.js';
import { answer } from './commands.js';

/** Told of all that servers do. */
export interface Witness {
  /** A command ran: for each of these tokens once. */
  onExecuted(tokens: readonly number[], client: ServerClient, isWrite: boolean): void;
  /** A command came while the connection was in a transaction. */
  onQueued(tokens: readonly number[], client: ServerClient): void;
  /** A command came from a client that is in the middle of something of another one's. */
  onMisplaced(what: string, client: ServerClient): void;
}

/** Which slots a server has, as it believes itself; a lone server has all. */
export interface SlotView {
  /** The error for a command with these keys, or nothing where it may run here. */
  refusal(
    server: SimulatedServer,
    keys: readonly string[],
    isAsking: boolean,
    /** A read, on a connection that has said READONLY. */
    isReplicaRead: boolean,
  ): string | undefined;
  /** What the server answers to CLUSTER. */
  describe(server: SimulatedServer, client: ServerClient, args: readonly string[]): string;
}

/** What the servers of one deployment share. */
export interface Surroundings {
  readonly network: Network;
  readonly loop: EventLoop;
  readonly witness: Witness;
  /** Clients of all servers have different numbers. */
  readonly nextClientId: () => number;
  /** What else a server knows to answer; `undefined`: it doesn't know the command. */
  answerBeyond?(client: ServerClient, name: string, args: readonly string[]): string | undefined;
  /** In a cluster. */
  slots?: SlotView | undefined;
}

export class SimulatedServer implements Listener {
  readonly host: string;
  readonly port: number;
  readonly surroundings: Surroundings;
  readonly clients = new Map<number, ServerClient>();
  role: 'master' | 'slave' = 'master';
  isUp = false;
  maxClients = Number.POSITIVE_INFINITY;
  /** What waits to be popped from lists. */
  readonly elements = new Map<string, string[]>();
  /** How often keys were written to, for WATCH. */
  readonly versions = new Map<string, number>();
  #mood: { readonly text: string; readonly until: number } | undefined;
  /** Until then it answers nothing, ms. */
  hungUntil = 0;

  constructor(host: string, port: number, surroundings: Surroundings) {
    this.host = host;
    this.port = port;
    this.surroundings = surroundings;
  }

  get address(): string {
    return `${this.host}:${this.port}`;
  }

  get now(): number {
    return this.surroundings.loop.outsideNow;
  }

  get isHung(): boolean {
    return this.hungUntil > this.now;
  }

  /** The error with which it answers everything just now. */
  get mood(): string | undefined {
    return this.#mood !== undefined && this.#mood.until > this.now ? this.#mood.text : undefined;
  }

  start(): void {
    this.isUp = true;
    this.#mood = undefined;
    this.hungUntil = 0;
    this.surroundings.network.listeners.set(this.address, this);
  }

  /** It dies; its kernel tells its clients. */
  kill(): void {
    if (!this.isUp) return;
    this.isUp = false;
    this.surroundings.network.listeners.delete(this.address);
    for (const client of [...this.clients.values()]) client.connection.reset();
    this.elements.clear();
  }

  /** It is stopped, and goes on later with all that came meanwhile. */
  hang(ms: number): void {
    this.hungUntil = Math.max(this.hungUntil, this.now + ms);
    this.surroundings.loop.happensAt(this.hungUntil, () => this.#resume());
  }

  wakeUp(): void {
    this.hungUntil = 0;
    this.#resume();
  }

  sulk(text: string, ms: number): void {
    this.#mood = { text, until: this.now + ms };
  }

  calmDown(): void {
    this.#mood = undefined;
  }

  accept(connection: NetworkConnection): ServerEnd {
    const client = new ServerClient(this, connection, this.surroundings.nextClientId());
    if (this.clients.size >= this.maxClients) {
      connection.send(error('ERR max number of clients reached'));
      this.surroundings.loop.happensAt(this.now, () => connection.end());
      return { receive() {}, onClose() {} };
    }
    this.clients.set(client.id, client);
    return client;
  }

  /** An element for whoever blocks on that list, or for who comes next. */
  feed(key: string, element: string): void {
    const waiting = [...this.clients.values()].find((client) => client.blockedOn === key);
    if (waiting !== undefined) {
      waiting.unblock(element);
      return;
    }
    const elements = this.elements.get(key) ?? [];
    elements.push(element);
    this.elements.set(key, elements);
  }

  #resume(): void {
    if (this.isHung) return;
    for (const client of [...this.clients.values()]) client.work();
  }
}

export class ServerClient implements ServerEnd {
  readonly server: SimulatedServer;
  readonly connection: NetworkConnection;
  readonly id: number;
  protocol: 2 | 3 = 2;
  database = 0;
  isAsking = false;
  /** It has said READONLY: a replica serves its reads. */
  isReadOnly = false;
  /** Commands of an open transaction; `undefined`: there is none. */
  transaction: string[][] | undefined = undefined;
  /** EXEC will be refused. */
  isAborted = false;
  readonly watched = new Map<string, number>();
  readonly channels = new Set<string>();
  /** The list that it waits for an element of. */
  blockedOn: string | undefined = undefined;
  /** Tells one wait from the next. */
  blockNumber = 0;
  readonly #reader = new CommandReader();
  #isClosed = false;

  constructor(server: SimulatedServer, connection: NetworkConnection, id: number) {
    this.server = server;
    this.connection = connection;
    this.id = id;
  }

  /** For the report of a failure. */
  note(text: () => string): void {
    this.server.surroundings.loop.note?.(() => `${this.server.address} #${this.id}: ${text()}`);
  }

  receive(text: string): void {
    this.#reader.push(text);
    this.work();
  }

  onClose(): void {
    this.#isClosed = true;
    this.server.clients.delete(this.id);
  }

  /** Executes what has come, unless it blocks, or its server hangs. */
  work(): void {
    let replies = '';
    while (!this.#isClosed && !this.server.isHung && this.blockedOn === undefined) {
      const command = this.#reader.next();
      if (command === undefined) break;
      replies += answer(this, command);
    }
    if (replies !== '') this.connection.send(replies);
  }

  /** What it waited for has come, or its wait is over: with what it is told. */
  unblock(element: string | undefined, reply?: string): void {
    const key = this.blockedOn;
    if (key === undefined) return;
    this.blockedOn = undefined;
    this.connection.send(reply ?? popped(this, key, element));
    this.work();
  }
}

function popped(client: ServerClient, key: string, element: string | undefined): string {
  return answer(client, ['#popped', key, ...(element === undefined ? [] : [element])]);
}
