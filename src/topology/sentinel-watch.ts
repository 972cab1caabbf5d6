// Listens to one sentinel at a time for `+switch-master`. Its connection never keeps the process
// alive; when it is lost, the next sentinel is listened to, with a pause that grows.

import type { Link } from '../base/link.js';
import type { NodeAddress } from '../config/options.js';
import { PoolError } from '../errors.js';
import { addressOf } from './addresses.js';
import type { SentinelDirectory } from './sentinel-directory.js';

const CHANNEL = '+switch-master';
const SUBSCRIBE = `*2\r\n$9\r\nSUBSCRIBE\r\n$${CHANNEL.length}\r\n${CHANNEL}\r\n`;
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1_000;

export class SentinelWatch {
  readonly #directory: SentinelDirectory;
  readonly #name: string;
  readonly #onSwitch: (primary: NodeAddress) => void;
  readonly #onListening: () => void;
  readonly #ending = new AbortController();
  #turn = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #timer: NodeJS.Timeout | undefined;
  #link: Link | undefined;

  /**
   * @param onSwitch A sentinel tells of another primary.
   * @param onListening It is listened to from now on: what happened before was not heard.
   */
  constructor(
    directory: SentinelDirectory,
    name: string,
    onSwitch: (primary: NodeAddress) => void,
    onListening: () => void,
  ) {
    this.#directory = directory;
    this.#name = name;
    this.#onSwitch = onSwitch;
    this.#onListening = onListening;
  }

  start(): void {
    void this.#listen();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#ending.abort();
    this.#link?.destroy(new PoolError('POOL_CLOSED', 'The pool was closed'));
  }

  async #listen(): Promise<void> {
    const { signal } = this.#ending;
    const { sentinels } = this.#directory;
    const node = sentinels[this.#turn++ % sentinels.length] as NodeAddress;
    try {
      const link = await this.#directory.open(node, signal);
      this.#link = link;
      link.listener = {
        onProgress() {},
        onLatency() {},
        onErrorReply: () => false,
        onEnd: () => this.#listenLater(),
        onPush: (message) => this.#onMessage(message),
        // Over RESP2 messages, and a refusal too, are replies that nobody asked for.
        onUnasked: (reply) => {
          if (!Array.isArray(reply)) return false;
          this.#onMessage(reply);
          return true;
        },
      };
      link.sendUnanswered(SUBSCRIBE);
    } catch {
      // Whether sentinels can be reached is told by those who want a connection.
      this.#listenLater();
    }
  }

  #listenLater(): void {
    if (this.#ending.signal.aborted) return;
    this.#timer = setTimeout(() => void this.#listen(), this.#pauseMs);
    this.#timer.unref();
    this.#pauseMs = Math.min(2 * this.#pauseMs, MAX_PAUSE_MS);
  }

  #onMessage([kind, , text]: readonly unknown[]): void {
    if (kind === 'subscribe') {
      this.#pauseMs = FIRST_PAUSE_MS;
      this.#onListening();
      return;
    }
    // One sentinel watches several: `name old-ip old-port new-ip new-port`.
    const [name, , , host, port] = typeof text === 'string' ? text.split(' ') : [];
    const primary = addressOf([host, port]);
    if (kind === 'message' && name === this.#name && primary !== undefined) {
      this.#onSwitch(this.#directory.map(primary));
    }
  }
}
