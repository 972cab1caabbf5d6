// A TCP proxy between a client and a server, for faults that a real network has: slow, stalled,
// half-open, reset, refused, cut in the middle, and bytes that arrive in any pieces.
// "Requests" are the bytes from the client, "replies" those from the server. It knows nothing of
// Redis. Rules apply to connections that are open already as well as to later ones.

import { once } from 'node:events';
import net, { type Socket } from 'node:net';

import { freePort } from '../../scripts/free-port.js';
import { ProxyStream, type StreamRules } from './proxy-stream.js';
import type { SeededRandom } from './seeded-random.js';

export type Direction = 'requests' | 'replies' | 'both';

export type ProxyTarget =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

/** How replies are cut: pieces of one size, or of a random size up to `maxBytes`. */
export type Slicing =
  | { readonly bytes: number }
  | { readonly maxBytes: number; readonly random: SeededRandom };

export interface CutRule {
  /** Which side's bytes are counted, over all connections together. */
  readonly from: 'client' | 'server';
  /** How many more bytes pass; the connection that carries the next one is reset. */
  readonly bytes: number;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** A unix socket knows no RST, so that side is closed instead. */
  readonly serverIsTcp: boolean;
  readonly replies: ProxyStream;
  readonly streams: readonly ProxyStream[];
}

const MAX_LISTEN_TRIES = 10;

/** Starts a proxy on a free port of 127.0.0.1. */
export async function startTcpProxy(target: ProxyTarget): Promise<TcpProxy> {
  for (let tries = 1; ; tries += 1) {
    const proxy = new TcpProxy(target, await freePort());
    try {
      await proxy.acceptConnections();
      return proxy;
    } catch (error) {
      if (tries >= MAX_LISTEN_TRIES) throw error;
    }
  }
}

export class TcpProxy {
  readonly host = '127.0.0.1';
  readonly url: string;
  /** Where new connections go; may be changed, for a failover. */
  target: ProxyTarget;
  #accepted = 0;
  #cutRule: { from: CutRule['from']; bytesLeft: number; fired: () => void } | undefined;
  readonly #links = new Set<Link>();
  readonly #requests = this.#newRules('client');
  readonly #replies = this.#newRules('server');
  readonly #listener = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) =>
    this.#connect(client),
  );

  /** Use `startTcpProxy`, which also listens. */
  constructor(
    target: ProxyTarget,
    readonly port: number,
  ) {
    this.target = target;
    this.url = `redis://${this.host}:${port}`;
  }

  /** How many connections clients have opened so far. */
  get acceptedConnections(): number {
    return this.#accepted;
  }

  /** How many connections clients hold open now, those of a held direction included. */
  get openConnections(): number {
    let open = 0;
    for (const { client } of this.#links) if (!client.readableEnded && !client.destroyed) open += 1;
    return open;
  }

  /** Sends replies in pieces, each in a write of its own; undefined ends that. */
  sliceReplies(slicing: Slicing | undefined): void {
    this.#replies.sliceBytes = pieceSizes(slicing);
    this.#wake();
  }

  /** Sends requests in pieces, each in a write of its own; undefined ends that. */
  sliceRequests(slicing: Slicing | undefined): void {
    this.#requests.sliceBytes = pieceSizes(slicing);
    this.#wake();
  }

  /** Passes everything on this much later than it came, in milliseconds; 0 ends that. */
  delay(delayMs: number, direction: Direction = 'both'): void {
    for (const rules of this.#rulesOf(direction)) rules.delayMs = delayMs;
  }

  /**
   * Half-open: keeps back what arrives, closes included, without closing anything. `resume()`
   * delivers it, late but whole, as TCP does after a stall. New connections are accepted and
   * held too.
   */
  hold(direction: Direction = 'both'): void {
    for (const rules of this.#rulesOf(direction)) rules.held = true;
  }

  /**
   * Half-open for good: what arrives is lost, and connections that lost something stay silent
   * after `resume()` as well, because what follows would be out of step.
   */
  swallow(direction: Direction = 'both'): void {
    for (const rules of this.#rulesOf(direction)) rules.swallowing = true;
  }

  /** Ends `hold` and `swallow`. */
  resume(): void {
    for (const rules of this.#rulesOf('both')) {
      rules.held = false;
      rules.swallowing = false;
    }
    this.#wake();
  }

  /** Puts bytes that no server sent behind the replies that have arrived, on every connection. */
  inject(bytes: Buffer): void {
    for (const { replies } of this.#links) replies.inject(bytes);
  }

  /** Resets (RST) every open connection, on both sides. */
  resetAll(): void {
    for (const link of this.#links) this.#reset(link);
  }

  /** Ends every open connection, on both sides, with a FIN as a server that shuts down does. */
  endAll(): void {
    for (const { client, server, streams } of this.#links) {
      for (const stream of streams) stream.stop();
      client.end();
      server.end();
    }
  }

  /**
   * Lets `bytes` more bytes of one side pass and then resets the connection that carries the
   * next one. Applies once; the promise settles when it has. A second call replaces the first.
   * `closeAfter({ from: 'server', bytes: 0 })` loses the reply of a request that arrived.
   */
  closeAfter({ from, bytes }: CutRule): Promise<void> {
    return new Promise((resolve) => {
      this.#cutRule = { from, bytesLeft: bytes, fired: resolve };
    });
  }

  /** From now on new connections are refused; open ones stay. */
  refuseConnections(): void {
    if (!this.#listener.listening) return;
    // The callback of close() waits for open connections too; the port is free at once.
    this.#listener.close();
  }

  /** Accepts connections again, on the same port. */
  async acceptConnections(): Promise<void> {
    if (this.#listener.listening) return;
    this.#listener.listen({ port: this.port, host: this.host });
    await once(this.#listener, 'listening');
  }

  /** Resets all connections and frees the port. */
  async stop(): Promise<void> {
    this.refuseConnections();
    this.resetAll();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #connect(client: Socket): void {
    this.#accepted += 1;
    const server = net.connect({ ...this.target, allowHalfOpen: true, noDelay: true });
    const cut = () => this.#reset(link);
    const requests = new ProxyStream(client, server, this.#requests, cut);
    const replies = new ProxyStream(server, client, this.#replies, cut);
    const serverIsTcp = 'port' in this.target;
    const link: Link = { client, server, serverIsTcp, replies, streams: [requests, replies] };
    this.#links.add(link);
    client.once('close', () => this.#links.delete(link));
  }

  #reset(link: Link): void {
    for (const stream of link.streams) stream.stop();
    this.#links.delete(link);
    link.client.resetAndDestroy();
    if (link.serverIsTcp) link.server.resetAndDestroy();
    else link.server.destroy();
  }

  #newRules(from: CutRule['from']): StreamRules {
    return {
      held: false,
      swallowing: false,
      delayMs: 0,
      sliceBytes: undefined,
      admit: (byteCount) => this.#admit(from, byteCount),
    };
  }

  #admit(from: CutRule['from'], byteCount: number): number | undefined {
    const rule = this.#cutRule;
    if (rule === undefined || rule.from !== from) return undefined;
    if (byteCount <= rule.bytesLeft) {
      rule.bytesLeft -= byteCount;
      return undefined;
    }
    this.#cutRule = undefined;
    rule.fired();
    return rule.bytesLeft;
  }

  #rulesOf(direction: Direction): StreamRules[] {
    if (direction === 'requests') return [this.#requests];
    if (direction === 'replies') return [this.#replies];
    return [this.#requests, this.#replies];
  }

  #wake(): void {
    for (const { streams } of this.#links) for (const stream of streams) stream.wake();
  }
}

function pieceSizes(slicing: Slicing | undefined): (() => number) | undefined {
  if (slicing === undefined) return undefined;
  if ('bytes' in slicing) return () => slicing.bytes;
  return () => slicing.random.integer(1, slicing.maxBytes);
}
