// Are sessions lost when Redis dies? Sessions are refreshed as fast as it goes until the moment of the
// kill, so that some answers are lost on the way; each of those refreshes is tried again as a client
// should, with the same token when `Retry-After` has passed. Others only lie there. Nobody ends any
// of them, so afterwards each must be good.

import { readFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from './ask.js';
import type { Service } from './service.js';

const SESSIONS = 300;
/** Refreshed at the same time, so about as many are on their way when Redis dies. */
const REFRESHERS = 32;
/** Refreshes that one session may have: a service may limit them. */
const MAX_REFRESHES = 5;
/** One in so many sessions isn't refreshed at all. */
const IDLE_ONE_IN = 4;
const MAX_TRIES = 20;

export interface SessionWatchResult {
  readonly sessionsWatched: number;
  readonly sessionsLost: number;
  readonly refreshesRetried: number;
}

interface Watched {
  accessToken: string;
  refreshToken: string;
  isLost: boolean;
}

export class SessionWatch {
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: REFRESHERS });
  readonly #sessions: readonly Watched[];
  #retried = 0;
  #isStopping = false;
  #refreshing: Promise<unknown> = Promise.resolve();

  private constructor(url: string, sessions: readonly Watched[]) {
    this.#url = url;
    this.#sessions = sessions;
  }

  static async open(service: Service): Promise<SessionWatch> {
    const file = await service.provision(`watched${Date.now().toString(36)}`, SESSIONS);
    const sessions = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { access_token: string; refresh_token: string })
      .map(({ access_token: accessToken, refresh_token: refreshToken }) => {
        return { accessToken, refreshToken, isLost: false };
      });
    return new SessionWatch(service.url, sessions);
  }

  /** Refreshes from now on until `stop()`, or until all sessions had their share. */
  start(): void {
    const busy = this.#sessions.filter((_, index) => index % IDLE_ONE_IN !== 0);
    this.#refreshing = Promise.all(
      Array.from({ length: REFRESHERS }, async (_, refresher) => {
        const own = busy.filter((_session, index) => index % REFRESHERS === refresher);
        for (let turn = 0; turn < MAX_REFRESHES; turn++) {
          for (const session of own) if (!this.#isStopping) await this.#refresh(session);
        }
      }),
    );
  }

  /** No refresh begins any more; those under way are tried until they are through. */
  stop(): void {
    this.#isStopping = true;
  }

  /** Which sessions are good, when Redis has been back for a while. */
  async finish(): Promise<SessionWatchResult> {
    this.stop();
    await this.#refreshing;
    for (const session of this.#sessions) {
      const question = { path: '/auth/verify', token: session.accessToken };
      const { status } = await ask(this.#url, this.#agent, question);
      session.isLost ||= status !== 200;
    }
    this.#agent.destroy();
    return {
      sessionsWatched: this.#sessions.length,
      sessionsLost: this.#sessions.filter(({ isLost }) => isLost).length,
      refreshesRetried: this.#retried,
    };
  }

  async #refresh(session: Watched): Promise<void> {
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      const body = { refresh_token: session.refreshToken };
      const question = { method: 'POST', path: '/auth/refresh', body };
      const answer = await ask(this.#url, this.#agent, question);
      if (answer.status === 200) {
        const pair = JSON.parse(answer.body) as { access_token: string; refresh_token: string };
        session.accessToken = pair.access_token;
        session.refreshToken = pair.refresh_token;
        return;
      }
      if (answer.status === 401) break;
      this.#retried++;
      await sleep(answer.retryAfterMs);
    }
    session.isLost = true;
  }
}
