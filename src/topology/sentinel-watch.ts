// Listens to one sentinel at a time: for `+switch-master`, and for what happens to replicas. Its
// connection never keeps the process alive; when it is lost, the next sentinel is listened to, with a
// pause that grows.

import type { Link } from '../base/link.js';
import { textPayload } from '../base/payload.js';
import type { NodeAddress } from '../config/options.js';
import { PoolError } from '../errors.js';
import { addressOf } from './addresses.js';
import type { SentinelDirectory } from './sentinel-directory.js';

/** `name old-ip old-port new-ip new-port`. */
const SWITCHED = '+switch-master';
/** `slave name ip port @ master-name ip port`: one is new, away, back, or has turned to another. */
const OF_REPLICAS = ['+slave', '+sdown', '-sdown', '+slave-reconf-done', '+convert-to-slave'];
// The last, so that all are subscribed to when it is confirmed.
const SUBSCRIBE = textPayload(['SUBSCRIBE', ...OF_REPLICAS, SWITCHED]);
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1_000;

export class SentinelWatch {
  readonly #directory: SentinelDirectory;
  readonly #name: string;
  readonly #onSwitch: (primary: NodeAddress) => void;
  readonly #onListening: () => void;
  readonly #onReplicaNews: () => void;
  readonly #ending = new AbortController();
  #turn = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #timer: NodeJS.Timeout | undefined;
  #link: Link | undefined;

  /**
   * @param onSwitch A sentinel tells of another primary.
   * @param onListening It is listened to from now on: what happened before was not heard.
   * @param onReplicaNews Something happened to a replica.
   */
  constructor(
    directory: SentinelDirectory,
    name: string,
    onSwitch: (primary: NodeAddress) => void,
    onListening: () => void,
    onReplicaNews: () => void,
  ) {
    this.#directory = directory;
    this.#name = name;
    this.#onSwitch = onSwitch;
    this.#onListening = onListening;
    this.#onReplicaNews = onReplicaNews;
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

  #onMessage(message: readonly unknown[]): void {
    // Pushes come as bytes, and replies of RESP2 as text.
    const [kind, channel, text] = message.map(String);
    if (kind === 'subscribe' && channel === SWITCHED) {
      this.#pauseMs = FIRST_PAUSE_MS;
      this.#onListening();
      this.#onReplicaNews();
    }
    if (kind !== 'message' || text === undefined) return;
    // One sentinel watches several.
    const words = text.split(' ');
    if (channel === SWITCHED) this.#onSwitched(words);
    else if (words[0] === 'slave' && words[5] === this.#name) this.#onReplicaNews();
  }

  #onSwitched([name, , , host, port]: readonly string[]): void {
    const primary = addressOf([host, port]);
    if (name === this.#name && primary !== undefined) this.#onSwitch(this.#directory.map(primary));
  }
}
