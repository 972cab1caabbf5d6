// Users and sessions, as Redis holds them:
//
//   user <name>               the user, JSON                              kept, or for its life
//   session <id>              a session (hash): user, name, created;      since its last refresh
//                             family, generation, replaced, first and
//                             began say which refresh token is good;
//                             minute, refreshes
//   sessions <user id>        its sessions by age (sorted set)            life of the last of them
//   refreshes <digest>        refreshes of a network in this minute       a minute
//
// keys.ts says how these are named, so that each step below is one script in one slot of a cluster.
// A token is good only while its session is there, so that lost data refuses and never admits.
// However often a session is refreshed, it stays one key.
// Whatever keeps Redis from answering becomes STORE_UNAVAILABLE: the service fails closed.

import { randomBytes, randomUUID } from 'node:crypto';
import { Problem } from '../errors.js';
import type { RedisCommands } from './commands.js';
import { hashOf, homeOf, indexPrefix, refreshesKey, sessionPrefix, userKey } from './keys.js';
import { Outages } from './outages.js';
import {
  CHANGE_PASSWORD,
  COUNT_REFRESH,
  END_ALL_SESSIONS,
  END_SESSION,
  FORGIVE_REFRESH,
  LIST_SESSIONS,
  OPEN_SESSION,
  REFRESH,
  REPLACE_HASH,
  type Script,
} from './scripts.js';

const FAMILY_BYTES = 16;
const RETRY_AFTER_SECONDS = 1;
const MINUTE_MS = 60_000;
/** A failover may undo an ending while it is confirmed; more than one at once is an outage. */
const MAX_ENDINGS = 3;

export interface StoreOptions {
  /** Sessions a user may have; a further login ends the oldest. */
  readonly maxSessions: number;
  readonly refreshTokenSeconds: number;
  readonly refreshGraceSeconds: number;
  readonly sessionSeconds: number;
  readonly sessionRefreshLimit: number;
  readonly addressRefreshLimit: number;
}

export interface StoreHelpers {
  /**
   * Settles when all that was written before for the accounts of this home can't be lost any more.
   * Default: nobody waits for that.
   */
  readonly confirm?: ((home: string) => Promise<void>) | undefined;
  /** Default: those that the store's own commands meet. */
  readonly outages?: Outages;
}

export interface User {
  readonly id: string;
  readonly name: string;
  readonly passwordHash: string;
}

export interface Session {
  readonly id: string;
  readonly userId: string;
  readonly userName: string;
  /** Unix ms. */
  readonly createdAt: number;
}

/** Which refresh token of which session. */
export interface RefreshReference {
  /** Of the account, as keys.ts has it: the token is all that a refresh has. */
  readonly home: string;
  readonly sessionId: string;
  /** Tokens of the session before this one. */
  readonly generation: number;
  /** The secret that all tokens of the session share, base64url. */
  readonly family: string;
}

export interface OpenedSession {
  readonly session: Session;
  readonly refresh: RefreshReference;
}

/**
 * How a refresh came about: `retried` gave the last token once more, `ahead` is a token that is
 * younger than Redis knows, because Redis has lost writes.
 */
export type RefreshOutcome = 'rotated' | 'retried' | 'ahead';

/** Whose sessions: what finds them all. */
export type UserReference = Pick<Session, 'userId' | 'userName'>;

/** What an access token says of itself. */
export interface TokenReference extends UserReference {
  readonly sessionId: string;
}

export class Store {
  readonly #redis: RedisCommands;
  readonly #options: StoreOptions;
  readonly #confirm: ((home: string) => Promise<void>) | undefined;
  readonly #outages: Outages;

  constructor(redis: RedisCommands, options: StoreOptions, helpers: StoreHelpers = {}) {
    this.#redis = redis;
    this.#options = options;
    this.#confirm = helpers.confirm;
    this.#outages = helpers.outages ?? new Outages();
  }

  /** @param lifeSeconds 0: for ever. @throws Problem USERNAME_TAKEN */
  async createUser(name: string, passwordHash: string, lifeSeconds = 0): Promise<User> {
    const user: User = { id: randomUUID(), name, passwordHash };
    const key = userKey(name);
    const isNew = await this.#reach(
      this.#redis.setIfAbsent(key, JSON.stringify(user), lifeSeconds),
    );
    if (!isNew) throw new Problem('USERNAME_TAKEN');
    return user;
  }

  async findUser(name: string): Promise<User | undefined> {
    const text = await this.#reach(this.#redis.get(userKey(name)));
    return text === null ? undefined : (JSON.parse(text) as User);
  }

  /**
   * A session, and the first refresh token of its family.
   * @param user As found: one who has changed the password since has to show the new one.
   * @throws Problem INVALID_CREDENTIALS
   */
  async openSession(user: User): Promise<OpenedSession> {
    const id = randomUUID();
    const home = homeOf(user.name);
    const prefix = sessionPrefix(home);
    const family = randomBytes(FAMILY_BYTES).toString('base64url');
    const { refreshTokenSeconds, sessionSeconds, maxSessions } = this.#options;
    const life = Math.min(refreshTokenSeconds, sessionSeconds) * 1000;
    const [outcome, createdAt] = (await this.#run(
      OPEN_SESSION,
      [userKey(user.name), prefix + id, indexPrefix(home) + user.id],
      [JSON.stringify(user), id, user.id, user.name, hashOf(family), life, maxSessions, prefix],
    )) as [string, number];
    if (outcome !== 'opened') throw new Problem('INVALID_CREDENTIALS');
    const session: Session = { id, userId: user.id, userName: user.name, createdAt };
    return { session, refresh: { home, sessionId: id, generation: 0, family } };
  }

  /**
   * Takes a refresh token for the next one of its family. The last one gets a successor; one that was
   * replaced within the time of grace gets the last one, since an answer may be lost and two tabs may
   * ask at once; any older one ends the session, as one of the two who showed it has stolen it.
   * @param network Whose refreshes are counted.
   * @throws Problem INVALID_TOKEN, REFRESH_REUSED, TOO_MANY_REFRESHES
   */
  async refresh(
    shown: RefreshReference,
    network: string,
  ): Promise<OpenedSession & { readonly outcome: RefreshOutcome }> {
    const { home, sessionId, family } = shown;
    const options = this.#options;
    const networkWaitMs = await this.#countRefresh(network);
    const [outcome, second, userId, userName, created] = (await this.#run(
      REFRESH,
      [sessionPrefix(home) + sessionId],
      [
        sessionId,
        hashOf(family),
        shown.generation,
        this.#outages.prolong(options.refreshGraceSeconds * 1000),
        options.refreshTokenSeconds * 1000,
        options.sessionSeconds * 1000,
        options.sessionRefreshLimit,
        networkWaitMs,
        indexPrefix(home),
      ],
    )) as [RefreshOutcome | 'reused' | 'limited' | 'unknown', number, string, string, string];
    const isCounted = outcome === 'rotated' || outcome === 'ahead';
    if (!isCounted && networkWaitMs === 0) await this.#forgiveRefresh(network);
    if (outcome === 'reused') throw new Problem('REFRESH_REUSED');
    if (outcome === 'limited') {
      throw new Problem('TOO_MANY_REFRESHES', undefined, Math.max(1, Math.ceil(second / 1000)));
    }
    if (outcome === 'unknown') throw new Problem('INVALID_TOKEN');
    const session: Session = { id: sessionId, userId, userName, createdAt: Number(created) };
    return { outcome, session, refresh: { home, sessionId, generation: second, family } };
  }

  /** Whether the token's session lives: one command. */
  isLive({ sessionId, userName }: Omit<TokenReference, 'userId'>): Promise<boolean> {
    return this.#reach(this.#redis.exists(sessionPrefix(homeOf(userName)) + sessionId));
  }

  /**
   * Ends the session of a token; one that has ended already is no error.
   * @returns The user's id, where there was something to end.
   */
  async endSession(shown: TokenReference | RefreshReference): Promise<string | undefined> {
    const { sessionId } = shown;
    const [home, ...proof] =
      'family' in shown
        ? [shown.home, 'family', hashOf(shown.family)]
        : [homeOf(shown.userName), 'user', shown.userId];
    const args = [sessionId, indexPrefix(home), ...proof];
    const end = () => this.#run(END_SESSION, [sessionPrefix(home) + sessionId], args);
    const user = (await end()) as string | null;
    // Also of one that has ended already: its end may have been answered as unconfirmed.
    await this.#confirmed(home, async () => (await end()) !== null);
    return user ?? undefined;
  }

  /**
   * Ends all sessions of the user, and the one that asks with them. Asked again, it finds none.
   * @returns How many have ended.
   * @throws Problem INVALID_TOKEN where the one that asks has ended before others began.
   */
  async endAllSessions({ sessionId, userId, userName }: TokenReference): Promise<number> {
    const home = homeOf(userName);
    const args = [sessionPrefix(home), sessionId];
    const end = () =>
      this.#run(END_ALL_SESSIONS, [indexPrefix(home) + userId], args) as Promise<number>;
    const ended = await end();
    if (ended < 0) throw new Problem('INVALID_TOKEN');
    await this.#confirmed(home, async () => (await end()) > 0);
    return ended;
  }

  /**
   * Gives the user another password, and ends all sessions but the one that asks.
   * @param user As found, when the old password was checked.
   * @throws Problem INVALID_TOKEN, INVALID_CREDENTIALS
   */
  async changePassword(user: User, passwordHash: string, sessionId: string): Promise<void> {
    const home = homeOf(user.name);
    const keys = [userKey(user.name), indexPrefix(home) + user.id];
    const next = { ...user, passwordHash };
    const args = [JSON.stringify(user), JSON.stringify(next), sessionPrefix(home), sessionId];
    const change = () => this.#run(CHANGE_PASSWORD, keys, args);
    const outcome = await change();
    if (outcome === 'ended') throw new Problem('INVALID_TOKEN');
    if (outcome === 'changed') throw new Problem('INVALID_CREDENTIALS');
    await this.#confirmed(home, async () => (await change()) === 'done');
  }

  /**
   * Another hash of the same password. Sessions stay.
   * @throws Problem BUSY where the user has changed since it was found
   */
  async replaceHash(user: User, passwordHash: string): Promise<User> {
    const next = { ...user, passwordHash };
    const args = [JSON.stringify(user), JSON.stringify(next)];
    const isDone = await this.#run(REPLACE_HASH, [userKey(user.name)], args);
    if (isDone === 0) throw new Problem('BUSY', undefined, RETRY_AFTER_SECONDS);
    return next;
  }

  /** Oldest first. */
  async sessionsOf(user: UserReference): Promise<Pick<Session, 'id' | 'createdAt'>[]> {
    const home = homeOf(user.userName);
    const keys = [indexPrefix(home) + user.userId];
    const answer = await this.#run(LIST_SESSIONS, keys, [sessionPrefix(home)]);
    const list = answer as string[];
    return Array.from({ length: list.length / 2 }, (_, index) => ({
      id: list[2 * index]!,
      createdAt: Number(list[2 * index + 1]),
    }));
  }

  async ping(): Promise<void> {
    await this.#reach(this.#redis.ping());
  }

  async close(): Promise<void> {
    await this.#redis.close();
  }

  /** @returns Ms that the network has to wait; 0: this one is counted. */
  async #countRefresh(network: string): Promise<number> {
    const { addressRefreshLimit: limit } = this.#options;
    if (limit === 0) return 0;
    return (await this.#run(COUNT_REFRESH, [refreshesKey(network)], [limit, MINUTE_MS])) as number;
  }

  /** It was none. Where nobody can be told, it counts for the rest of the minute. */
  async #forgiveRefresh(network: string): Promise<void> {
    if (this.#options.addressRefreshLimit === 0) return;
    await this.#run(FORGIVE_REFRESH, [refreshesKey(network)], []).catch(() => undefined);
  }

  /**
   * Waits until what has ended can't be lost any more. A server that takes over meanwhile may never
   * have heard of it: so it is ended once more, which must find nothing.
   * @param endAgain Whether there was something to end.
   */
  async #confirmed(home: string, endAgain: () => Promise<boolean>): Promise<void> {
    if (this.#confirm === undefined) return;
    for (let endings = 1; endings <= MAX_ENDINGS; endings++) {
      await this.#confirm(home);
      if (!(await endAgain())) return;
    }
    throw new Problem('REVOCATION_UNCONFIRMED', undefined, RETRY_AFTER_SECONDS);
  }

  async #reach<T>(answer: Promise<T>): Promise<T> {
    try {
      const value = await reach(answer);
      this.#outages.answered();
      return value;
    } catch (problem) {
      this.#outages.failed();
      throw problem;
    }
  }

  #run(script: Script, keys: string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#reach(this.#redis.run(script, keys, args.map(String)));
  }
}

/** @throws Problem STORE_UNAVAILABLE */
export async function reach<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw new Problem('STORE_UNAVAILABLE', undefined, RETRY_AFTER_SECONDS, { cause });
  }
}
