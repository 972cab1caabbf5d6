// Asks one endpoint whether it can be used: a PING to its primaries, on connections of its own that
// are kept from one check to the next. Whoever answers is alive, whatever the answer; only a server
// that is still loading can't be used yet. A cluster is healthy while a majority of its primaries
// is: so many it takes to replace one that fails.

import { setMaxListeners } from 'node:events';
import type { Clock } from '../../base/clock.js';
import { afterFairWait } from '../../base/event-loop.js';
import type { Link } from '../../base/link.js';
import { PoolError } from '../../errors.js';
import { ownCommand } from '../../node/own-command.js';
import { checkVerdict, type FailoverOptions } from '../../policy/failback.js';
import type { Endpoint, Topology } from '../topology.js';

const LOADING = /^(LOADING|MASTERDOWN)\b/;

export class EndpointProbe {
  readonly #topology: Topology;
  readonly #options: FailoverOptions;
  readonly #clock: Clock;
  readonly #links = new Map<string, Link>();
  readonly #pings = new Set<AbortController>();
  #error: Error | undefined;
  #isStopped = false;

  constructor(topology: Topology, options: FailoverOptions, clock: Clock) {
    this.#topology = topology;
    this.#options = options;
    this.#clock = clock;
  }

  /** Why the last probe failed; `undefined`: it did not. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** As many probes as it takes. Never rejects. */
  async check(): Promise<boolean> {
    let answered = 0;
    for (let failed = 0; ; ) {
      if (await this.ping()) answered++;
      else failed++;
      const verdict = checkVerdict(this.#options, answered, failed);
      if (verdict !== undefined) return verdict;
      await pause(this.#options.probePauseMs);
      if (this.#isStopped) return false;
    }
  }

  /** One probe, now. Never rejects. */
  async ping(): Promise<boolean> {
    const { checkTimeoutMs } = this.#options;
    const text = `${this.#topology.address} did not answer PING within ${checkTimeoutMs} ms`;
    const late = new PoolError('CONNECT_TIMEOUT', text, { sent: false });
    const givingUp = new AbortController();
    const { signal } = givingUp;
    // One for each primary of a cluster, and Node warns of more than 10.
    setMaxListeners(0, signal);
    this.#pings.add(givingUp);
    const tooLate = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    const stopWaiting = afterFairWait(checkTimeoutMs, this.#clock, () => givingUp.abort(late));
    try {
      await Promise.race([this.#pingPrimaries(signal), tooLate]);
      this.#error = undefined;
      return true;
    } catch (error) {
      this.#error = error as Error;
      return false;
    } finally {
      stopWaiting();
      this.#pings.delete(givingUp);
      // What was not waited for is of no use any more.
      givingUp.abort(late);
      tooLate.catch(() => undefined);
    }
  }

  stop(): void {
    const error = new PoolError('POOL_CLOSED', 'The pool was closed');
    this.#isStopped = true;
    for (const ping of this.#pings) ping.abort(error);
    for (const link of [...this.#links.values()]) link.destroy(error);
  }

  /** Rejects unless most of them answer. */
  async #pingPrimaries(signal: AbortSignal): Promise<void> {
    if (this.#topology.endpoints.length === 0) await this.#topology.look();
    const primaries = this.#topology.endpoints.filter(({ role }) => role === 'primary');
    this.#forgetOthers(primaries);
    let answered = 0;
    let failed = 0;
    await new Promise<void>((resolve, reject) => {
      const judge = (error: unknown) => {
        if (answered * 2 > primaries.length) resolve();
        else if ((primaries.length - failed) * 2 <= primaries.length) reject(error);
      };
      judge(new PoolError('CONNECT_FAILED', 'No primary is known', { sent: false }));
      for (const endpoint of primaries) {
        this.#ping(endpoint, signal).then(
          () => {
            answered++;
            judge(undefined);
          },
          (error) => {
            failed++;
            judge(error);
          },
        );
      }
    });
  }

  async #ping(endpoint: Endpoint, signal: AbortSignal): Promise<void> {
    const link = this.#links.get(endpoint.id) ?? (await this.#open(endpoint, signal));
    const end = () => link.destroy(signal.reason as Error);
    signal.addEventListener('abort', end, { once: true });
    try {
      const command = ownCommand(['PING'], 0);
      link.send(command);
      await command.promise;
    } catch (error) {
      if (error instanceof PoolError || LOADING.test((error as Error).message)) throw error;
    } finally {
      signal.removeEventListener('abort', end);
    }
  }

  async #open({ id, address, source }: Endpoint, signal: AbortSignal): Promise<Link> {
    const link = await source.connect(signal, false);
    if (link === undefined) {
      throw new PoolError('CONNECT_FAILED', `${address} gave no connection`, { sent: false });
    }
    link.keepAlive(false);
    const other = this.#links.get(id);
    if (other !== undefined || signal.aborted) {
      // It was too late, or another check was faster.
      link.destroy(new PoolError('ABORTED', 'The connection is not needed'));
      signal.throwIfAborted();
      return other as Link;
    }
    this.#links.set(id, link);
    link.listener = {
      onProgress() {},
      onLatency() {},
      onErrorReply: () => false,
      onEnd: (error, { sent, unsent }) => {
        if (this.#links.get(id) === link) this.#links.delete(id);
        for (const command of [...sent, ...unsent]) command.fail(error);
      },
      onPush() {},
      onUnasked: () => false,
    };
    return link;
  }

  /** Servers that are primaries no more have no connection to be kept. */
  #forgetOthers(primaries: readonly Endpoint[]): void {
    const known = new Set(primaries.map(({ id }) => id));
    for (const [id, link] of this.#links) {
      if (!known.has(id)) link.destroy(new PoolError('ABORTED', 'The server is asked no more'));
    }
  }
}

/** Does not keep the process alive. */
export function pause(waitMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, waitMs).unref();
  });
}
