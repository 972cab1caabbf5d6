// The network between the process and its servers: connections that keep the order of bytes, delay
// them, cut them into pieces, and fail in the ways in which TCP connections fail.
//
//   SimulatedSocket  --- Pipe (delay, freeze, cut) --->  ServerEnd (a server's client)
//   (the process)    <-- Pipe ------------------------
//
// Nothing here knows Redis. Text is latin1: a character is a byte.

import type { Chance } from './chance.js';
import type { EventLoop } from './event-loop.js';
import { type ConnectOptions, type ReadBuffer, type Signal, SimulatedSocket } from './socket.js';

/** How often TCP tries again, ms; it waits ever longer, which makes no difference here. */
const RETRANSMISSION_MS = 100;
/** Pauses of the kernel between its attempts to reach a host that doesn't answer, ms. */
const SYN_PAUSES_MS = [1_000, 2_000, 4_000, 8_000];

/** How a server sees a connection. */
export interface ServerEnd {
  /** Bytes came. */
  receive(text: string): void;
  /** It is over. */
  onClose(): void;
}

/** What listens at an address. */
export interface Listener {
  accept(connection: NetworkConnection): ServerEnd;
}

/** How long things take on the way, ms; drawn anew for each message. */
export interface Delays {
  readonly leastMs: number;
  readonly mostMs: number;
  /** Share of messages that take longer. */
  readonly slowShare: number;
  readonly slowMs: number;
}

export class Network {
  readonly listeners = new Map<string, Listener>();
  /** Addresses to which nothing gets through, and from which nothing comes. */
  readonly unreachable = new Set<string>();
  /** All that the process has not closed. */
  readonly open = new Set<NetworkConnection>();
  readonly loop: EventLoop;
  readonly chance: Chance;
  readonly delays: Delays;
  /** Share of reads that bring a part of what has come. */
  readonly sliceShare: number;

  constructor(loop: EventLoop, chance: Chance, delays: Delays, sliceShare: number) {
    this.loop = loop;
    this.chance = chance;
    this.delays = delays;
    this.sliceShare = sliceShare;
  }

  /** `net.connect()`. */
  connect({ host, port, onread }: ConnectOptions): SimulatedSocket {
    const connection = new NetworkConnection(this, `${host}:${port}`, onread);
    this.open.add(connection);
    connection.dial(0);
    return connection.socket;
  }

  drawDelay(): number {
    const { leastMs, mostMs, slowShare, slowMs } = this.delays;
    const most = this.chance.happens(slowShare) ? slowMs : mostMs;
    return this.chance.between(leastMs, most);
  }

  /** Those to one address, or all. */
  connectionsTo(address?: string): NetworkConnection[] {
    return [...this.open].filter((one) => address === undefined || one.address === address);
  }
}

/** One TCP connection, from the dial to both ends' end. */
export class NetworkConnection {
  readonly address: string;
  readonly socket: SimulatedSocket;
  readonly network: Network;
  /** Something was done to it, so that losses on it are nobody's fault. */
  isFaulty = false;
  readonly #toServer: Pipe;
  readonly #toClient: Pipe;
  #server: ServerEnd | undefined;

  constructor(network: Network, address: string, onread: ReadBuffer | undefined) {
    this.network = network;
    this.address = address;
    this.socket = new SimulatedSocket(this, onread);
    this.#toServer = new Pipe(this, (text) => {
      this.#server?.receive(text);
      this.socket.onTaken(text.length);
    });
    this.#toClient = new Pipe(this, (text) => this.socket.signal({ kind: 'data', text }));
  }

  /** For the report of a failure. */
  get description(): string {
    return `a connection to ${this.address}`;
  }

  get isAccepted(): boolean {
    return this.#server !== undefined;
  }

  /** A SYN leaves; where nothing answers it is repeated, as kernels do. */
  dial(attempt: number): void {
    const { loop, listeners, unreachable } = this.network;
    loop.happensAt(loop.outsideNow + this.network.drawDelay(), () => {
      if (this.socket.destroyed) return;
      if (unreachable.has(this.address)) {
        const pauseMs = SYN_PAUSES_MS[attempt];
        if (pauseMs === undefined) this.#answer({ kind: 'error', code: 'ETIMEDOUT' });
        else loop.happensAt(loop.outsideNow + pauseMs, () => this.dial(attempt + 1));
        return;
      }
      const listener = listeners.get(this.address);
      if (listener === undefined) {
        this.#answer({ kind: 'error', code: 'ECONNREFUSED' });
        return;
      }
      this.#server = listener.accept(this);
      this.#answer({ kind: 'connect' });
    });
  }

  /** The process writes. */
  write(text: string): void {
    this.#toServer.push(text);
  }

  /** The process closes. */
  close(): void {
    this.network.open.delete(this);
    this.#toServer.pushEnd(() => this.#closeServer());
  }

  /** The server writes. */
  send(text: string): void {
    this.#toClient.push(text);
  }

  /** The server closes in good order: what it wrote before arrives before. */
  end(): void {
    this.#closeServer();
    this.#toClient.pushEnd(() => this.socket.signal({ kind: 'end' }));
  }

  /** Both ends are told at once; what is on its way is lost. */
  reset(): void {
    this.isFaulty = true;
    this.#toServer.cut();
    this.#toClient.cut();
    this.#closeServer();
    this.socket.signal({ kind: 'error', code: 'ECONNRESET' });
  }

  /** Nothing moves until then; nothing is lost. */
  freeze(until: number): void {
    this.isFaulty = true;
    this.#toServer.freeze(until);
    this.#toClient.freeze(until);
  }

  /** What leaves an end is lost from now on, and nobody is told. */
  silence(direction: 'both' | 'to client'): void {
    this.isFaulty = true;
    this.#toClient.cut();
    if (direction === 'both') this.#toServer.cut();
  }

  #closeServer(): void {
    const server = this.#server;
    this.#server = undefined;
    server?.onClose();
  }

  #answer(signal: Signal): void {
    const { loop } = this.network;
    loop.happensAt(loop.outsideNow + this.network.drawDelay(), () => this.socket.signal(signal));
  }
}

/** One direction of a connection. */
class Pipe {
  readonly #connection: NetworkConnection;
  readonly #deliver: (text: string) => void;
  readonly #queue: { readonly at: number; readonly text: string; readonly onEnd?: () => void }[] =
    [];
  #lastAt = 0;
  #frozenUntil = 0;
  #isCut = false;

  constructor(connection: NetworkConnection, deliver: (text: string) => void) {
    this.#connection = connection;
    this.#deliver = deliver;
  }

  push(text: string): void {
    this.#push(text, undefined);
  }

  pushEnd(onEnd: () => void): void {
    this.#push('', onEnd);
  }

  freeze(until: number): void {
    this.#frozenUntil = Math.max(this.#frozenUntil, until);
  }

  cut(): void {
    this.#isCut = true;
    this.#queue.length = 0;
  }

  #push(text: string, onEnd: (() => void) | undefined): void {
    if (this.#isCut) return;
    const { network } = this.#connection;
    const at = Math.max(this.#lastAt, network.loop.outsideNow + network.drawDelay());
    this.#lastAt = at;
    this.#queue.push(onEnd === undefined ? { at, text } : { at, text, onEnd });
    network.loop.happensAt(at, () => this.#flow());
  }

  #flow(): void {
    const { loop, unreachable } = this.#connection.network;
    const now = loop.outsideNow;
    if (this.#queue.length === 0) return;
    if (this.#frozenUntil > now) {
      loop.happensAt(this.#frozenUntil, () => this.#flow());
      return;
    }
    // TCP repeats what doesn't get through.
    if (unreachable.has(this.#connection.address)) {
      loop.happensAt(now + RETRANSMISSION_MS, () => this.#flow());
      return;
    }
    while ((this.#queue[0]?.at ?? Infinity) <= now) {
      const { text, onEnd } = this.#queue.shift()!;
      if (onEnd === undefined) this.#deliver(text);
      else onEnd();
    }
  }
}
