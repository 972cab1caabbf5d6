// Users, sessions, refresh tokens and the deny-list, as Redis holds them:
//
//   auth:user:<name>          the user, JSON                           kept
//   auth:session:<id>         a session, JSON                          life of its refresh token
//   auth:sessions:<user id>   its sessions by expiry (sorted set)      life of the last of them
//   auth:refresh:<sha-256>    session id, or `used:` and session id    its life
//   auth:deny:<token id>      an access token that was logged out      rest of the token's life
//
// A token is good only while its session is there, so that lost data refuses and never admits.
// Whatever keeps Redis from answering becomes STORE_UNAVAILABLE: the service fails closed.

import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Problem } from '../errors.js';
import type { RedisCommands } from './commands.js';
import {
  END_ALL_SESSIONS,
  END_SESSION,
  OPEN_SESSION,
  ROTATE_REFRESH,
  type Script,
} from './scripts.js';

/** Sessions a user may have; a further login ends the oldest. */
export const MAX_SESSIONS = 50;
const REFRESH_TOKEN_BYTES = 32;
const RETRY_AFTER_SECONDS = 1;

const SESSION = 'auth:session:';
const SESSIONS = 'auth:sessions:';
const userKey = (name: string) => `auth:user:${name}`;
const denyKey = (tokenId: string) => `auth:deny:${tokenId}`;
const refreshKey = (token: string) =>
  `auth:refresh:${createHash('sha256').update(token).digest('base64url')}`;

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

export interface OpenedSession {
  readonly session: Session;
  readonly refreshToken: string;
}

/** What an access token says of itself. */
export interface TokenReference {
  readonly tokenId: string;
  readonly sessionId: string;
  readonly userId: string;
  /** Unix ms. */
  readonly expiresAt: number;
}

export class Store {
  readonly #redis: RedisCommands;
  readonly #refreshTokenMs: number;
  readonly #now: () => number;

  constructor(redis: RedisCommands, refreshTokenSeconds: number, now: () => number = Date.now) {
    this.#redis = redis;
    this.#refreshTokenMs = refreshTokenSeconds * 1000;
    this.#now = now;
  }

  /** @throws Problem USERNAME_TAKEN */
  async createUser(name: string, passwordHash: string): Promise<User> {
    const user: User = { id: randomUUID(), name, passwordHash };
    const key = userKey(name);
    const isNew = await reach(this.#redis.setIfAbsent(key, JSON.stringify(user)));
    if (!isNew) throw new Problem('USERNAME_TAKEN');
    return user;
  }

  async findUser(name: string): Promise<User | undefined> {
    const text = await reach(this.#redis.get(userKey(name)));
    return text === null ? undefined : (JSON.parse(text) as User);
  }

  /** A session with the first refresh token of its family. */
  async openSession(user: User): Promise<OpenedSession> {
    const now = this.#now();
    const session: Session = {
      id: randomUUID(),
      userId: user.id,
      userName: user.name,
      createdAt: now,
    };
    const refreshToken = newRefreshToken();
    await this.#run(
      OPEN_SESSION,
      [SESSION + session.id, SESSIONS + user.id, refreshKey(refreshToken)],
      [JSON.stringify(session), session.id, now + this.#refreshTokenMs, now, MAX_SESSIONS],
    );
    return { session, refreshToken };
  }

  /**
   * Takes a refresh token for the next one of its family. Of many who show the same one wins, and
   * the others end the session: there is no time of grace, as a thief could use it too.
   * @throws Problem INVALID_TOKEN, REFRESH_REUSED
   */
  async rotateRefresh(refreshToken: string): Promise<OpenedSession> {
    const next = newRefreshToken();
    const answer = (await this.#run(
      ROTATE_REFRESH,
      [refreshKey(refreshToken), refreshKey(next)],
      [SESSION, SESSIONS, this.#now(), this.#refreshTokenMs],
    )) as [string, string, string];
    if (answer[0] === 'reused') throw new Problem('REFRESH_REUSED');
    if (answer[0] !== 'rotated') throw new Problem('INVALID_TOKEN');
    return { session: JSON.parse(answer[2]) as Session, refreshToken: next };
  }

  /** Whether the token's session lives and the token wasn't logged out: one command. */
  async isLive({ tokenId, sessionId }: TokenReference): Promise<boolean> {
    const [denied, session] = await reach(
      this.#redis.mGet([denyKey(tokenId), SESSION + sessionId]),
    );
    return denied === null && session !== null;
  }

  async endSession(token: TokenReference): Promise<void> {
    await this.#run(
      END_SESSION,
      [SESSION + token.sessionId, SESSIONS + token.userId, denyKey(token.tokenId)],
      [token.sessionId, this.#restOf(token)],
    );
  }

  async endAllSessions(token: TokenReference): Promise<void> {
    await this.#run(
      END_ALL_SESSIONS,
      [SESSIONS + token.userId, denyKey(token.tokenId)],
      [SESSION, this.#restOf(token)],
    );
  }

  async sessionsOf(userId: string): Promise<Session[]> {
    const ids = await reach(this.#redis.rangeAbove(SESSIONS + userId, this.#now()));
    if (ids.length === 0) return [];
    const texts = await reach(this.#redis.mGet(ids.map((id) => SESSION + id)));
    return texts.filter((text) => text !== null).map((text) => JSON.parse(text) as Session);
  }

  async ping(): Promise<void> {
    await reach(this.#redis.ping());
  }

  async close(): Promise<void> {
    await this.#redis.close();
  }

  #run(script: Script, keys: string[], args: readonly (string | number)[]): Promise<unknown> {
    return reach(this.#redis.run(script, keys, args.map(String)));
  }

  #restOf({ expiresAt }: TokenReference): number {
    return Math.max(1, expiresAt - this.#now());
  }
}

/** 256 bits that say nothing. */
function newRefreshToken(): string {
  return randomBytes(REFRESH_TOKEN_BYTES).toString('base64url');
}

/** @throws Problem STORE_UNAVAILABLE */
export async function reach<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw new Problem('STORE_UNAVAILABLE', undefined, RETRY_AFTER_SECONDS, { cause });
  }
}
