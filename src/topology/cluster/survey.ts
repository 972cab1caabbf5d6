// Asks nodes of a cluster what they know. A few are asked at once, as some may be down, slow or
// behind; where one fails or is slow, the next is asked too. Connections are its own and kept for a
// moment, so that looking often, as while a shard is down, costs no dials.

import type { Clock } from '../../base/clock.js';
import type { Link, LinkListener } from '../../base/link.js';
import type { AddressMap, ConnectionTarget, NodeAddress } from '../../config/options.js';
import { PoolError, type PoolErrorCode } from '../../errors.js';
import { textOf } from '../addresses.js';
import { onlySilence, question } from '../question.js';
import { zoneOf } from '../zone.js';
import type { Answer } from './answers.js';
import type { Open } from './node.js';
import { coverageOf, locatorFor, readSlots } from './slot-map.js';

/** Nodes that are asked at once. */
const ASKED_AT_ONCE = 3;
/** With so many answers no more are waited for than those that were asked already. */
const ENOUGH_ANSWERS = 2;
/** While nobody has answered, one more node is asked each so often, ms. */
const NEXT_AFTER_MS = 250;
/** How long the others may take once one has answered, ms. */
const GRACE_MS = 100;
/** How long a connection is kept for the next question, ms. */
const KEPT_MS = 3_000;

/** What cannot be cured by asking another time: it is told before other reasons. */
const LASTING: readonly PoolErrorCode[] = ['AUTH_FAILED', 'TLS_FAILED', 'HANDSHAKE_FAILED'];
const NO_CLUSTER = /cluster support disabled/i;
const NO_PERMISSION = /^NOPERM\b/;

interface KeptLink {
  readonly link: Link;
  readonly expiry: NodeJS.Timeout;
}

export class Survey {
  readonly #target: ConnectionTarget;
  readonly #addressMap: AddressMap | undefined;
  readonly #clock: Clock;
  readonly #open: Open;
  readonly #kept = new Map<string, KeptLink>();
  readonly #rounds = new Set<AbortController>();
  readonly #ending = new AbortController();

  constructor(
    target: ConnectionTarget,
    addressMap: AddressMap | undefined,
    clock: Clock,
    open: Open,
  ) {
    this.#target = target;
    this.#addressMap = addressMap;
    this.#clock = clock;
    this.#open = open;
  }

  /**
   * What a few of the nodes say, 1 answer or more; earlier ones of the list are asked first.
   * @param keepsAlive Whether asking keeps the process alive.
   * @throws PoolError where nobody answered: AUTH_FAILED, ... if one refused for good.
   */
  run(nodes: readonly NodeAddress[], keepsAlive: boolean): Promise<readonly Answer[]> {
    const round = new AbortController();
    this.#rounds.add(round);
    if (this.#ending.signal.aborted) round.abort();
    const answers: Answer[] = [];
    const failures: PoolError[] = [];
    return new Promise((resolve, reject) => {
      let asked = 0;
      let pending = 0;
      let grace: NodeJS.Timeout | undefined;
      const finish = () => {
        clearInterval(hedge);
        clearTimeout(grace);
        this.#rounds.delete(round);
        round.abort();
        if (answers.length > 0) resolve(answers);
        else reject(nobodyAnswered(nodes.slice(0, asked), failures));
      };
      const askNext = () => {
        const node = nodes[asked];
        const isOver = round.signal.aborted || answers.length >= ENOUGH_ANSWERS;
        if (node === undefined || isOver) return;
        asked++;
        pending++;
        this.#ask(node, keepsAlive, round.signal)
          .then(
            (answer) => {
              answers.push(answer);
              grace ??= setTimeout(finish, GRACE_MS).unref();
            },
            (error) => {
              failures.push(error);
              askNext();
            },
          )
          .finally(() => {
            if (--pending === 0) finish();
          });
      };
      const hedge = setInterval(() => answers.length === 0 && askNext(), NEXT_AFTER_MS).unref();
      for (let count = 0; count < ASKED_AT_ONCE; count++) askNext();
      if (pending === 0) finish();
    });
  }

  /** In which zone a node says it is; `undefined`: it says nothing of zones. */
  async zoneOf(node: NodeAddress): Promise<string | undefined> {
    const link = await this.#take(node, false, this.#ending.signal);
    try {
      return await zoneOf(link, (args) => this.#question(link, args));
    } finally {
      this.#keep(node, link);
    }
  }

  /** Ends what it has open, for good. */
  stop(): void {
    this.#ending.abort();
    for (const round of this.#rounds) round.abort();
    const error = new PoolError('POOL_CLOSED', 'The pool was closed');
    for (const { link } of [...this.#kept.values()]) link.destroy(error);
  }

  async #ask(node: NodeAddress, keepsAlive: boolean, signal: AbortSignal): Promise<Answer> {
    const link = await this.#take(node, keepsAlive, signal);
    const onAbort = () => link.destroy(new PoolError('ABORTED', 'Others have answered'));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const [slots, info] = await Promise.all([
        this.#question(link, ['CLUSTER', 'SLOTS']),
        this.#question(link, ['CLUSTER', 'INFO']).catch(onlySilence),
      ]);
      const ranges = readSlots(slots, node, locatorFor(node, this.#addressMap));
      const coverage = coverageOf(ranges);
      if (coverage === 0) throw refusedBy(node, 'it knows nobody who serves slots');
      this.#keep(node, link);
      return { from: node, ranges, coverage, ...readInfo(info) };
    } catch (error) {
      link.destroy(error as Error);
      throw error instanceof PoolError ? error : refusedBy(node, (error as Error).message);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  #question(link: Link, args: readonly string[]): Promise<unknown> {
    return question(link, args, this.#target.connectTimeoutMs, this.#clock);
  }

  async #take(node: NodeAddress, keepsAlive: boolean, signal: AbortSignal): Promise<Link> {
    const text = textOf(node);
    const kept = this.#kept.get(text);
    if (kept !== undefined) {
      this.#kept.delete(text);
      clearTimeout(kept.expiry);
      kept.link.keepAlive(keepsAlive);
      return kept.link;
    }
    const target = { ...this.#target, ...node, path: undefined };
    const link = await this.#open(target, this.#clock, signal, undefined, keepsAlive);
    link.listener = this.#listenTo(text, link);
    return link;
  }

  #keep(node: NodeAddress, link: Link): void {
    const text = textOf(node);
    const isOver = !link.writable || link.inFlight > 0 || this.#kept.has(text);
    if (isOver || this.#ending.signal.aborted) {
      link.destroy(new PoolError('ABORTED', 'The node was asked'));
      return;
    }
    link.keepAlive(false);
    const expiry = setTimeout(
      () => link.destroy(new PoolError('ABORTED', 'The node was asked')),
      KEPT_MS,
    ).unref();
    this.#kept.set(text, { link, expiry });
  }

  #listenTo(text: string, link: Link): LinkListener {
    return {
      onProgress() {},
      onLatency() {},
      onErrorReply: () => false,
      onEnd: (error, lost) => {
        for (const command of [...lost.sent, ...lost.unsent]) command.fail(error);
        const kept = this.#kept.get(text);
        if (kept?.link !== link) return;
        clearTimeout(kept.expiry);
        this.#kept.delete(text);
      },
      onPush() {},
      onUnasked: () => false,
    };
  }
}

/** CLUSTER INFO, which a user need not be allowed to ask. */
function readInfo(info: unknown): Pick<Answer, 'epoch' | 'isOk'> {
  const text = typeof info === 'string' ? info : '';
  const epoch = /^cluster_current_epoch:(\d+)/m.exec(text)?.[1];
  return { epoch: Number(epoch ?? 0), isOk: !/^cluster_state:fail/m.test(text) };
}

function refusedBy(node: NodeAddress, words: string): PoolError {
  const code: PoolErrorCode = NO_CLUSTER.test(words)
    ? 'HANDSHAKE_FAILED'
    : NO_PERMISSION.test(words)
      ? 'AUTH_FAILED'
      : 'CONNECT_FAILED';
  const text = `${textOf(node)} did not answer CLUSTER SLOTS: ${words}`;
  return new PoolError(code, text, { sent: false });
}

function nobodyAnswered(asked: readonly NodeAddress[], failures: readonly PoolError[]): PoolError {
  const cause = failures.find(({ code }) => LASTING.includes(code)) ?? failures[0];
  const names = asked.map(textOf).join(', ');
  const reason = cause?.message ?? 'there is nobody to ask';
  return new PoolError(
    cause !== undefined && LASTING.includes(cause.code) ? cause.code : 'CONNECT_FAILED',
    `No node of the cluster told who serves what (asked ${names}): ${reason}`,
    { cause, sent: false },
  );
}
