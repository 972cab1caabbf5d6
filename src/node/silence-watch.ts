// Finds connections that died without a word: a frozen process, a sleeping laptop, an entry that a
// firewall forgot. A connection that owes replies and is silent is suspected; whether it is dead or
// its server slow, another connection to the same server has to say. What the signs mean stands in
// `policy/silence.ts`; here they are gathered. If nothing answers anywhere, only deadlines and the
// breaker decide: a connection goes then only where nobody waits for it and another one needs its
// place.

import { afterPolling } from '../base/event-loop.js';
import { PoolError } from '../errors.js';
import {
  DEAD_AFTER_MS,
  isDead,
  SPARE_AFTER_MS,
  SUSPECT_AFTER_MS,
  type Testimony,
} from '../policy/silence.js';
import type { Entry, EvictionReason } from './entry.js';
import { ownCommand } from './own-command.js';

/** Pause between two questions, ms, as the same suspects may only be slow. */
const QUESTION_PAUSE_MS = 500;
/** A witness that doesn't answer within this, ms, says nothing. */
const QUESTION_TIMEOUT_MS = 2_000;

export interface WatchedPool {
  readonly entries: readonly Entry[];
  /**
   * Opens one more connection, as no witness can be had among those that are open. False: there are
   * too many already.
   */
  openSpare(): boolean;
  /** Nobody is suspected any more. */
  closeSpare(): void;
  evict(entry: Entry, reason: EvictionReason, error: Error): void;
  /** Asks an idle connection for a sign of life. */
  ping(entry: Entry): Promise<void>;
}

interface Suspect {
  readonly entry: Entry;
  /** Since when it is silent. */
  readonly since: number;
}

export class SilenceWatch {
  readonly #pool: WatchedPool;
  #isAsking = false;
  #askAgainAt = Number.NEGATIVE_INFINITY;

  constructor(pool: WatchedPool) {
    this.#pool = pool;
  }

  /** At each tick: marks suspects, sees to it that there is a witness, and asks it. */
  look(now: number): void {
    const suspects = this.#markSuspects(now).filter(
      (suspect) => !this.#endIfForgotten(suspect, now),
    );
    if (suspects.length === 0) {
      this.#pool.closeSpare();
      return;
    }
    const silentMs = Math.max(...suspects.map(({ since }) => now - since));
    const witness = this.#findWitness(suspects);
    if (witness === undefined && silentMs >= SPARE_AFTER_MS) {
      if (!this.#pool.openSpare()) this.#makeRoom(suspects, now);
    }
    if (witness === undefined || silentMs < DEAD_AFTER_MS) return;
    if (this.#isAsking || now < this.#askAgainAt) return;
    this.#isAsking = true;
    // Who is not silent for long enough yet is asked about as soon as he is.
    const ripensAt = Math.max(...suspects.map(({ since }) => since)) + DEAD_AFTER_MS;
    this.#askAgainAt = ripensAt > now ? ripensAt : now + QUESTION_PAUSE_MS;
    void this.#ask(witness, suspects, now).finally(() => {
      this.#isAsking = false;
    });
  }

  /** A lease's silence is its borrower's business: BLPOP waits as long as it likes. */
  #markSuspects(now: number): Suspect[] {
    const suspects: Suspect[] = [];
    for (const entry of this.#pool.entries) {
      const since = entry.state === 'leased' ? undefined : entry.connection.waitingSince;
      entry.isSuspect = since !== undefined && now - since >= SUSPECT_AFTER_MS;
      if (entry.isSuspect) suspects.push({ entry, since: since as number });
    }
    return suspects;
  }

  /** One that is on its way out, and whose callers have all been told, need not be proved dead. */
  #endIfForgotten({ entry, since }: Suspect, now: number): boolean {
    const isOld = entry.state === 'draining' && now - since >= DEAD_AFTER_MS;
    if (!isOld || !isAwaitedByNobody(entry)) return false;
    this.#pool.evict(entry, 'unhealthy', silentError(now - since));
    return true;
  }

  /**
   * All are silent, the spare one too. Whoever they owed replies has been told by now: then the one
   * that is silent for longest can go without harm to anybody, or there would never be a witness.
   */
  #makeRoom(suspects: readonly Suspect[], now: number): void {
    const oldest = suspects
      .filter(({ entry, since }) => now - since >= DEAD_AFTER_MS && isAwaitedByNobody(entry))
      .sort((one, other) => one.since - other.since)[0];
    if (oldest === undefined) return;
    this.#pool.evict(oldest.entry, 'unhealthy', silentError(now - oldest.since));
  }

  /** The connection that was heard of last, if that was after the silence of the others began. */
  #findWitness(suspects: readonly Suspect[]): Entry | undefined {
    const silentSince = suspects.reduce((least, { since }) => Math.min(least, since), Infinity);
    let witness: Entry | undefined;
    for (const entry of this.#pool.entries) {
      if (entry.state !== 'ready' || entry.isSuspect || !entry.connection.writable) continue;
      const { lastReadAt } = entry.connection;
      if (lastReadAt >= silentSince) {
        if (witness === undefined || lastReadAt > witness.connection.lastReadAt) witness = entry;
      } else if (entry.connection.inFlight === 0) {
        // Nobody heard of it either: it answers, or becomes a suspect too.
        this.#pool.ping(entry).catch(() => undefined);
      }
    }
    return witness;
  }

  async #ask(witness: Entry, suspects: readonly Suspect[], askedAt: number): Promise<void> {
    const testimony = await this.#question(witness, suspects);
    if (testimony === undefined) return;
    // Their own answers may lie unread beside the witness'.
    await new Promise<void>((resolve) => afterPolling(resolve));
    for (const { entry, since } of suspects) {
      const { state, connection } = entry;
      if (state === 'closed' || connection.waitingSince !== since) continue;
      const silentMs = askedAt - since;
      if (!isDead(silentMs, connection.serverClientId, testimony)) continue;
      this.#pool.evict(entry, 'unhealthy', deadError(silentMs));
    }
  }

  /** `undefined`: the witness did not answer. */
  async #question(witness: Entry, suspects: readonly Suspect[]): Promise<Testimony | undefined> {
    const ids = suspects.flatMap(({ entry }) => entry.connection.serverClientId ?? []);
    const [sign, clientList] = await Promise.all([
      ask(witness, ['PING']),
      ids.length === 0 ? undefined : ask(witness, ['CLIENT', 'LIST', 'ID', ...ids.map(String)]),
    ]);
    if (sign instanceof PoolError) return undefined;
    return {
      isBusy: sign instanceof Error && sign.message.startsWith('BUSY'),
      clientList: clientList instanceof Error ? undefined : clientList?.toString(),
    };
  }
}

/** The answer, or the error in its place. */
async function ask(entry: Entry, args: readonly string[]): Promise<Error | string | undefined> {
  const command = ownCommand(args, QUESTION_TIMEOUT_MS);
  entry.probes++;
  entry.connection.send(command);
  try {
    return (await command.promise) as string;
  } catch (error) {
    return error as Error;
  } finally {
    entry.probes--;
  }
}

/** All that is in flight on it has timed out or was cancelled. */
function isAwaitedByNobody({ connection }: Entry): boolean {
  let isAwaited = false;
  connection.forEachInFlight(({ settled }) => {
    if (!settled) isAwaited = true;
  });
  return !isAwaited;
}

function silentError(silentMs: number): PoolError {
  const text = `The connection brought nothing for ${Math.round(silentMs)} ms, and nobody waits for it`;
  return new PoolError('CONNECTION_LOST', text);
}

function deadError(silentMs: number): PoolError {
  const text = `The connection brought nothing for ${Math.round(silentMs)} ms, while another one did`;
  return new PoolError('CONNECTION_LOST', text);
}
