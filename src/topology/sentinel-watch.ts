// Listens to the sentinels for what may be a failover. To all of them, as one that is cut off from the
// others, or wrong, would be silent at the moment that counts, and the leader alone tells of a promotion
// before it is over. What is heard is a reason to ask, and nothing more. No connection here keeps the
// process alive; a lost one is made again, with a pause that grows. What happens to replicas is heard too.

import type { Link } from '../base/link.js';
import { textPayload } from '../base/payload.js';
import { PoolError } from '../errors.js';
import { textOf } from './addresses.js';
import type { SentinelDirectory } from './sentinel-directory.js';

/** `name old-ip old-port new-ip new-port`, when a failover is over. */
const SWITCHED = '+switch-master';
/** `slave name ip port @ name ip port`: a replica was told a moment ago to be the primary. */
const PROMOTED = '+failover-state-wait-promotion';
/** `slave name ip port @ name ip port`: one is new, away, back, or has turned to another. */
const OF_REPLICAS = ['+slave', '+sdown', '-sdown', '+slave-reconf-done', '+convert-to-slave'];
// The last, so that all are subscribed to when it is confirmed.
const SUBSCRIBE = textPayload(['SUBSCRIBE', ...OF_REPLICAS, PROMOTED, SWITCHED]);
/** Sentinels that are listened to, at most. */
const MAX_EARS = 8;
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1_000;
/** While others are listened to. */
const MAX_CALM_PAUSE_MS = 5_000;

export class SentinelWatch {
  readonly #directory: SentinelDirectory;
  readonly #name: string;
  readonly #onNews: () => void;
  readonly #onReplicaNews: () => void;
  readonly #ears = new Map<string, Ear>();
  readonly #ending = new AbortController();

  /**
   * Both are also told when listening begins, as nothing was heard before.
   * @param onNews The primary may be another.
   * @param onReplicaNews Something happened to a replica.
   */
  constructor(
    directory: SentinelDirectory,
    name: string,
    onNews: () => void,
    onReplicaNews: () => void,
  ) {
    this.#directory = directory;
    this.#name = name;
    this.#onNews = onNews;
    this.#onReplicaNews = onReplicaNews;
  }

  /** Listens to those that are known by now, and no more to those that are forgotten. */
  refresh(): void {
    if (this.#ending.signal.aborted) return;
    const known = new Map(this.#directory.sentinels.map((node) => [textOf(node), node]));
    for (const [text, ear] of this.#ears) {
      if (known.has(text)) continue;
      ear.stop();
      this.#ears.delete(text);
    }
    for (const [text, node] of known) {
      if (this.#ears.has(text) || this.#ears.size >= MAX_EARS) continue;
      const ear = new Ear(
        () => this.#directory.open(node, this.#ending.signal),
        (message) => this.#onMessage(message),
        () => [...this.#ears.values()].some((other) => other !== ear && other.isListening),
      );
      this.#ears.set(text, ear);
      void ear.listen();
    }
  }

  stop(): void {
    this.#ending.abort();
    for (const ear of this.#ears.values()) ear.stop();
  }

  #onMessage([kind, channel, text = '']: readonly string[]): void {
    if (kind === 'subscribe' && channel === SWITCHED) {
      this.#onNews();
      this.#onReplicaNews();
    }
    if (kind !== 'message') return;
    // One sentinel watches several primaries.
    const words = text.split(' ');
    if (channel === SWITCHED || channel === PROMOTED) {
      if (words[channel === SWITCHED ? 0 : 5] === this.#name) this.#onNews();
    } else if (words[0] === 'slave' && words[5] === this.#name) this.#onReplicaNews();
  }
}

/** Listens to one sentinel, for as long as it is known. */
class Ear {
  isListening = false;
  readonly #open: () => Promise<Link>;
  readonly #onMessage: (words: readonly string[]) => void;
  readonly #areOthersListening: () => boolean;
  #isStopped = false;
  #pauseMs = FIRST_PAUSE_MS;
  #timer: NodeJS.Timeout | undefined;
  #link: Link | undefined;

  constructor(
    open: () => Promise<Link>,
    onMessage: (words: readonly string[]) => void,
    areOthersListening: () => boolean,
  ) {
    this.#open = open;
    this.#onMessage = onMessage;
    this.#areOthersListening = areOthersListening;
  }

  async listen(): Promise<void> {
    try {
      const link = await this.#open();
      this.#link = link;
      if (this.#isStopped) this.#hangUp();
      else this.#subscribe(link);
    } catch {
      // Whether sentinels can be reached is told by those who want a connection.
      this.#listenLater();
    }
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#hangUp();
  }

  #subscribe(link: Link): void {
    link.listener = {
      onProgress() {},
      onLatency() {},
      onErrorReply: () => false,
      onEnd: () => this.#listenLater(),
      onPush: (message) => this.#hear(message),
      // Over RESP2 messages, and a refusal too, are replies that nobody asked for.
      onUnasked: (reply) => {
        if (!Array.isArray(reply)) return false;
        this.#hear(reply);
        return true;
      },
    };
    link.sendUnanswered(SUBSCRIBE);
  }

  #hear(message: readonly unknown[]): void {
    // Pushes bring Buffers, replies text.
    const words = message.map(String);
    if (words[0] === 'subscribe') {
      this.isListening = true;
      this.#pauseMs = FIRST_PAUSE_MS;
    }
    this.#onMessage(words);
  }

  #listenLater(): void {
    this.isListening = false;
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => void this.listen(), this.#pauseMs);
    this.#timer.unref();
    const longestMs = this.#areOthersListening() ? MAX_CALM_PAUSE_MS : MAX_PAUSE_MS;
    this.#pauseMs = Math.min(2 * this.#pauseMs, longestMs);
  }

  #hangUp(): void {
    this.#link?.destroy(new PoolError('POOL_CLOSED', 'Nobody listens to this sentinel any more'));
  }
}
