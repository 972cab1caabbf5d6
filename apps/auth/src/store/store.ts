// Users and sessions, as Redis holds them:
//
//   auth:user:<name>          the user, JSON                              kept, or for its life
//   auth:session:<id>         a session (hash): user, name, created;      since its last refresh
//                             family, generation, replaced, first and
//                             began say which refresh token is good;
//                             minute, refreshes
//   auth:sessions:<user id>   its sessions by age (sorted set)            life of the last of them
//   auth:refreshes:<digest>   refreshes of a network in this minute       a minute
//
// A token is good only while its session is there, so that lost data refuses and never admits.
// However often a session is refreshed, it stays one key.
// Whatever keeps Redis from answering becomes STORE_UNAVAILABLE: the service fails closed.

import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Problem } from '../errors.js';
import type { RedisCommands } from './commands.js';
import { Outages } from './outages.js';
import {
  CHANGE_PASSWORD,
  END_ALL_SESSIONS,
  END_SESSION,
  LIST_SESSIONS,
  OPEN_SESSION,
  REFRESH,
  REPLACE_HASH,
  type Script,
} from './scripts.js';

const FAMILY_BYTES = 16;
const RETRY_AFTER_SECONDS = 1;

const SESSION = 'auth:session:';
const SESSIONS = 'auth:sessions:';
const userKey = (name: string) => `auth:user:${name}`;
const refreshesKey = (network: string) => `auth:refreshes:${hashOf(network)}`;

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
  /** Settles when what was ended before can't come back any more. Default: at once. */
  readonly confirm?: () => Promise<void>;
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

/** What an access token says of itself. */
export interface TokenReference {
  readonly sessionId: string;
  readonly userId: string;
}

export class Store {
  readonly #redis: RedisCommands;
  readonly #options: StoreOptions;
  readonly #confirm: () => Promise<void>;
  readonly #outages: Outages;

  constructor(redis: RedisCommands, options: StoreOptions, helpers: StoreHelpers = {}) {
    this.#redis = redis;
    this.#options = options;
    this.#confirm = helpers.confirm ?? (async () => undefined);
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
    const family = randomBytes(FAMILY_BYTES).toString('base64url');
    const { refreshTokenSeconds, sessionSeconds, maxSessions } = this.#options;
    const life = Math.min(refreshTokenSeconds, sessionSeconds) * 1000;
    const [outcome, createdAt] = (await this.#run(
      OPEN_SESSION,
      [userKey(user.name), SESSION + id, SESSIONS + user.id],
      [JSON.stringify(user), id, user.id, user.name, hashOf(family), life, maxSessions, SESSION],
    )) as [string, number];
    if (outcome !== 'opened') throw new Problem('INVALID_CREDENTIALS');
    const session: Session = { id, userId: user.id, userName: user.name, createdAt };
    return { session, refresh: { sessionId: id, generation: 0, family } };
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
    const { sessionId, family } = shown;
    const options = this.#options;
    const [outcome, second, userId, userName, created] = (await this.#run(
      REFRESH,
      [SESSION + sessionId, refreshesKey(network)],
      [
        sessionId,
        hashOf(family),
        shown.generation,
        this.#outages.prolong(options.refreshGraceSeconds * 1000),
        options.refreshTokenSeconds * 1000,
        options.sessionSeconds * 1000,
        options.sessionRefreshLimit,
        options.addressRefreshLimit,
        SESSIONS,
      ],
    )) as [RefreshOutcome | 'reused' | 'limited' | 'unknown', number, string, string, string];
    if (outcome === 'reused') throw new Problem('REFRESH_REUSED');
    if (outcome === 'limited') {
      throw new Problem('TOO_MANY_REFRESHES', undefined, Math.max(1, Math.ceil(second / 1000)));
    }
    if (outcome === 'unknown') throw new Problem('INVALID_TOKEN');
    const session: Session = { id: sessionId, userId, userName, createdAt: Number(created) };
    return { outcome, session, refresh: { sessionId, generation: second, family } };
  }

  /** Whether the token's session lives: one command. */
  isLive({ sessionId }: TokenReference): Promise<boolean> {
    return this.#reach(this.#redis.exists(SESSION + sessionId));
  }

  /**
   * Ends the session of a token; one that has ended already is no error.
   * @returns The user's id, where there was something to end.
   */
  async endSession(shown: TokenReference | RefreshReference): Promise<string | undefined> {
    const { sessionId } = shown;
    const proof = 'family' in shown ? ['family', hashOf(shown.family)] : ['user', shown.userId];
    const args = [sessionId, SESSIONS, ...proof];
    const user = await this.#run(END_SESSION, [SESSION + sessionId], args);
    // Also of one that has ended already: its end may have been answered as unconfirmed.
    await this.#confirm();
    return (user as string | null) ?? undefined;
  }

  /**
   * Ends all sessions of the user, and the one that asks with them. Asked again, it finds none.
   * @returns How many have ended.
   * @throws Problem INVALID_TOKEN where the one that asks has ended before others began.
   */
  async endAllSessions({ sessionId, userId }: TokenReference): Promise<number> {
    const args = [SESSION, sessionId];
    const ended = (await this.#run(END_ALL_SESSIONS, [SESSIONS + userId], args)) as number;
    if (ended < 0) throw new Problem('INVALID_TOKEN');
    await this.#confirm();
    return ended;
  }

  /**
   * Gives the user another password, and ends all sessions but the one that asks.
   * @param user As found, when the old password was checked.
   * @throws Problem INVALID_TOKEN, INVALID_CREDENTIALS
   */
  async changePassword(user: User, passwordHash: string, sessionId: string): Promise<void> {
    const outcome = await this.#run(
      CHANGE_PASSWORD,
      [userKey(user.name), SESSIONS + user.id],
      [JSON.stringify(user), JSON.stringify({ ...user, passwordHash }), SESSION, sessionId],
    );
    if (outcome === 'ended') throw new Problem('INVALID_TOKEN');
    if (outcome === 'changed') throw new Problem('INVALID_CREDENTIALS');
    await this.#confirm();
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
  async sessionsOf(userId: string): Promise<Pick<Session, 'id' | 'createdAt'>[]> {
    const answer = await this.#run(LIST_SESSIONS, [SESSIONS + userId], [SESSION]);
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

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

/** @throws Problem STORE_UNAVAILABLE */
export async function reach<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw new Problem('STORE_UNAVAILABLE', undefined, RETRY_AFTER_SECONDS, { cause });
  }
}
