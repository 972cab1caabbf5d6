// What is watched while a replica takes over: tokens that are shown without a pause, sessions that are
// begun until the kill, and sessions that are ended before, during and after it.

import { readFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from './ask.js';
import type { Service } from './service.js';

/** For each kind of token; more than there are workers, so that each worker is asked. */
const CONNECTIONS = 6;
const PROBE_PAUSE_MS = 15;
/** Sessions that are ended at the same time. */
const ENDERS = 8;
/** A login costs a hash; more at once would wait for each other. */
const LOGGERS = 4;
const MAX_TRIES = 30;

export interface Account {
  readonly username: string;
  readonly password: string;
  readonly accessToken: string;
}

/** Accounts with a session each. */
export async function accountsOf(service: Service, count: number): Promise<Account[]> {
  const file = await service.provision(`failover${Date.now().toString(36)}`, count);
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { username: string; password: string; access_token: string })
    .map(({ username, password, access_token: accessToken }) => {
      return { username, password, accessToken };
    });
}

export function sessionIdOf(accessToken: string): string {
  const claims = Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString();
  return (JSON.parse(claims) as { sid: string }).sid;
}

function agentOf(maxSockets: number): Agent {
  return new Agent({ keepAlive: true, maxSockets });
}

interface ProbeAnswer {
  readonly atMs: number;
  readonly tookMs: number;
  readonly status: number;
}

export interface ProbeResult {
  /** From when a replica had taken over to the last failed answer, ms. */
  readonly recoveryMs: number;
  readonly affectedShown: number;
  /** Answers other than 200 to valid tokens of accounts that were on another primary. */
  readonly othersFailed: number;
  readonly othersShown: number;
  /** NaN where there is no other primary. */
  readonly othersP99BeforeMs: number;
  readonly othersP99Ms: number;
  readonly revokedShown: number;
  readonly revokedAccepted: number;
}

export interface ProbeAccounts {
  readonly affected: readonly Account[];
  readonly others: readonly Account[];
  readonly revoked: readonly Account[];
}

/** Verifications without end. */
export class Probes {
  readonly #url: string;
  readonly #agents: Agent[] = [];
  #isOver = false;
  readonly #running: Promise<unknown>[] = [];

  private constructor(url: string) {
    this.#url = url;
  }

  readonly #answers = {
    affected: [] as ProbeAnswer[],
    others: [] as ProbeAnswer[],
    revoked: [] as ProbeAnswer[],
  };

  /** Logs the sessions out that are to be shown as revoked. */
  static async start(url: string, accounts: ProbeAccounts): Promise<Probes> {
    const probes = new Probes(url);
    const agent = agentOf(ENDERS);
    for (const { accessToken: token } of accounts.revoked) {
      const { status } = await ask(url, agent, { method: 'POST', path: '/auth/logout', token });
      if (status !== 204) throw new Error(`POST /auth/logout answered ${status}`);
    }
    agent.destroy();
    for (const kind of ['affected', 'others', 'revoked'] as const) {
      probes.#show(kind, accounts[kind]);
    }
    return probes;
  }

  stop(): void {
    this.#isOver = true;
  }

  async finish(killedAt: number, replacedAt: number): Promise<ProbeResult> {
    this.stop();
    await Promise.all(this.#running);
    for (const agent of this.#agents) agent.destroy();
    const { affected, others, revoked } = this.#answers;
    const failed = affected.filter(({ status }) => status !== 200);
    const lastFailure = Math.max(...failed.map(({ atMs }) => atMs), replacedAt);
    return {
      recoveryMs: lastFailure - replacedAt,
      affectedShown: affected.length,
      othersFailed: others.filter(({ status }) => status !== 200).length,
      othersShown: others.length,
      othersP99BeforeMs: p99Of(others.filter(({ atMs }) => atMs < killedAt)),
      othersP99Ms: p99Of(others.filter(({ atMs }) => atMs >= killedAt && atMs <= replacedAt)),
      revokedShown: revoked.length,
      revokedAccepted: revoked.filter(({ status }) => status === 200).length,
    };
  }

  #show(kind: keyof ProbeAccounts, accounts: readonly Account[]): void {
    if (accounts.length === 0) return;
    const agent = agentOf(CONNECTIONS);
    this.#agents.push(agent);
    for (let connection = 0; connection < CONNECTIONS; connection++) {
      this.#running.push(this.#repeat(kind, accounts, connection, agent));
    }
  }

  async #repeat(
    kind: keyof ProbeAccounts,
    accounts: readonly Account[],
    first: number,
    agent: Agent,
  ): Promise<void> {
    for (let turn = first; !this.#isOver; turn += CONNECTIONS) {
      const { accessToken: token } = accounts[turn % accounts.length] as Account;
      const asked = performance.now();
      const { status } = await ask(this.#url, agent, { path: '/auth/verify', token });
      const atMs = performance.now();
      this.#answers[kind].push({ atMs, tookMs: atMs - asked, status });
      await sleep(PROBE_PAUSE_MS);
    }
  }
}

function p99Of(answers: readonly ProbeAnswer[]): number {
  const sorted = answers.map(({ tookMs }) => tookMs).sort((one, other) => one - other);
  return sorted[Math.floor(0.99 * sorted.length)] ?? Number.NaN;
}

export interface EndingResult {
  readonly logouts: number;
  /** Told at first that it was unconfirmed, or nothing. */
  readonly logoutsRetried: number;
  /** Never told 204, though tried for long. */
  readonly logoutsRefused: number;
  /** Told 204, and good again. */
  readonly logoutsUndone: number;
}

/** Logouts, each repeated until it is answered 204. */
export class Endings {
  readonly #url: string;
  readonly #accounts: readonly Account[];
  readonly #agent = agentOf(ENDERS);
  readonly #ended: Account[] = [];
  #retried = 0;
  #refused = 0;
  #isOver = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(url: string, accounts: readonly Account[]) {
    this.#url = url;
    this.#accounts = accounts;
  }

  start(): void {
    const left = [...this.#accounts];
    const one = async () => {
      for (let account = left.pop(); account !== undefined; account = left.pop()) {
        await this.#end(account);
      }
    };
    this.#running = Promise.all(Array.from({ length: ENDERS }, one));
  }

  /** Before its time. */
  stop(): void {
    this.#isOver = true;
  }

  /** Shows all that were ended once more. */
  async finish(): Promise<EndingResult> {
    await this.#running;
    let undone = 0;
    for (const { accessToken: token } of this.#ended) {
      const { status } = await ask(this.#url, this.#agent, { path: '/auth/verify', token });
      if (status === 200) undone++;
    }
    this.#agent.destroy();
    return {
      logouts: this.#accounts.length,
      logoutsRetried: this.#retried,
      logoutsRefused: this.#refused,
      logoutsUndone: undone,
    };
  }

  async #end(account: Account): Promise<void> {
    const question = { method: 'POST', path: '/auth/logout', token: account.accessToken };
    for (let tries = 1; tries <= MAX_TRIES && !this.#isOver; tries++) {
      const { status, retryAfterMs } = await ask(this.#url, this.#agent, question);
      if (status === 204) {
        this.#ended.push(account);
        return;
      }
      if (tries === 1) this.#retried++;
      await sleep(retryAfterMs);
    }
    this.#refused++;
  }
}

export interface LoginResult {
  readonly loginsAcknowledged: number;
  readonly loginsLost: number;
}

/** Sessions that are begun until the kill: nobody waits for a replica to have them. */
export class Logins {
  readonly #url: string;
  readonly #accounts: readonly Account[];
  readonly #agent = agentOf(LOGGERS);
  readonly #tokens: string[] = [];
  #isOver = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(url: string, accounts: readonly Account[]) {
    this.#url = url;
    this.#accounts = accounts;
  }

  start(): void {
    let next = 0;
    const one = async () => {
      while (!this.#isOver) {
        const { username, password } = this.#accounts[next++ % this.#accounts.length] as Account;
        const body = { username, password };
        const question = { method: 'POST', path: '/auth/login', body };
        const answer = await ask(this.#url, this.#agent, question);
        if (answer.status !== 200) continue;
        this.#tokens.push((JSON.parse(answer.body) as { access_token: string }).access_token);
      }
    };
    this.#running = Promise.all(Array.from({ length: LOGGERS }, one));
  }

  stop(): void {
    this.#isOver = true;
  }

  async finish(): Promise<LoginResult> {
    this.stop();
    await this.#running;
    let lost = 0;
    for (const token of this.#tokens) {
      const { status } = await ask(this.#url, this.#agent, { path: '/auth/verify', token });
      if (status === 401) lost++;
    }
    this.#agent.destroy();
    return { loginsAcknowledged: this.#tokens.length, loginsLost: lost };
  }
}
