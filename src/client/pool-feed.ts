// Tells a pool's clients what happens to it, in the events of node-redis, and knows whether
// commands can be served. It is the pool's one listener, however many duplicates there are.
//
//   connect, ready   the first connection, and again after the breaker closed
//   error            a connection could not be made; only where somebody listens
//   reconnecting     nothing is connected any more
//   end              the pool is closed

import type { EventEmitter } from 'node:events';
import { callListener } from '../base/uncaught.js';
import type { PoolEvents } from '../pool/events.js';
import type { HostedClient } from './host.js';

interface Member {
  readonly client: HostedClient;
  readonly isOpen: () => boolean;
  /** The pool is connected, for the first time or again. */
  readonly onConnected: () => void;
  /** Ends what the client keeps on leases of its own, so that the pool can drain. */
  readonly endLeases: () => void;
}

export class PoolFeed {
  readonly #members = new Set<Member>();
  readonly #followers = new Set<() => void>();
  #isConnected = false;
  #isClosing = false;

  constructor(pool: EventEmitter<PoolEvents> & { readonly isDown: boolean }) {
    pool.on('open', () => this.#onConnected());
    pool.on('breakerClose', () => this.#onConnected());
    pool.on('connectError', (error) => this.#tell('error', error));
    pool.on('breakerOpen', () => {
      // Of several servers the others go on.
      if (!pool.isDown) return;
      this.#isConnected = false;
      this.#tell('reconnecting');
    });
    pool.on('topologyChange', () => {
      for (const follow of [...this.#followers]) follow();
    });
    pool.on('close', () => {
      this.#tell('end');
      this.#members.clear();
    });
  }

  get isReady(): boolean {
    return this.#isConnected && !this.#isClosing;
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  get hasOpenMember(): boolean {
    return [...this.#members].some((member) => member.isOpen());
  }

  add(member: Member): void {
    this.#members.add(member);
  }

  remove(member: Member): void {
    this.#members.delete(member);
  }

  /** @param follow Called when servers came, went or changed roles. @returns What ends that. */
  onServers(follow: () => void): () => void {
    this.#followers.add(follow);
    return () => this.#followers.delete(follow);
  }

  /** The pool begins to close: it waits for leases, so those of the clients go first. */
  noteClosing(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    for (const { endLeases } of this.#members) endLeases();
  }

  #onConnected(): void {
    if (this.#isConnected) return;
    this.#isConnected = true;
    for (const member of [...this.#members]) member.onConnected();
  }

  #tell(event: string, ...args: unknown[]): void {
    for (const { client } of [...this.#members]) tell(client, event, ...args);
  }
}

/** An 'error' that nobody listens to would end the process, and the pool reports it anyway. */
export function tell(client: HostedClient, event: string, ...args: unknown[]): void {
  if (event === 'error' && client.listenerCount('error') === 0) return;
  callListener(() => client.emit(event, ...args));
}
