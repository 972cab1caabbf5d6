// Redis dies under load (kill -9) and comes back with what it had written. Meanwhile two tokens are
// shown without a pause on connections of their own: a valid one, to see from when on the service
// works again, and a revoked one, which must never be taken. Sessions that are refreshed in the moment
// of the kill are watched too: none may end by it.

import { readFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PrivateServer } from '../redis-server.js';
import { ask } from './ask.js';
import { drive } from './drive.js';
import { PHASES, type Phase, scaled } from './phases.js';
import { notRun, type Section } from './report.js';
import type { Service } from './service.js';
import { SessionWatch } from './session-watch.js';
import type { Stage } from './stage.js';
import { judgeRestart, type RestartResult } from './verdict.js';

export const RESTART_TITLE = 'restart of Redis under stress';
/** The users of the stress phase are started faster here, as only what follows is looked at. */
const SPAWN_RATE = 250;
/** After the last user's start until Redis is killed. */
const SETTLE_SECONDS = 5;
/** From the first user's start to the end of the watch: 20 s, 5 s, and what restartRedis() takes. */
const SECONDS = 40;

/** From the start of the probes until Redis is killed. */
const LEAD_MS = 1_000;
/** So long before the kill sessions begin to be refreshed. */
const REFRESH_LEAD_MS = 400;
const DEAD_MS = 1_500;
/** How long the service is watched after Redis answers again. */
const WATCH_MS = 6_000;
const PROBE_PAUSE_MS = 10;
/** More than there are workers, so that each worker is asked by some connection. */
const CONNECTIONS = 16;

export interface Tokens {
  readonly valid: string;
  readonly revoked: string;
}

/** Kills and restarts Redis in the middle of the stress phase. */
export async function restartSection(stage: Stage, scale: number): Promise<Section> {
  const { privateServer, service } = stage;
  if (privateServer === undefined) {
    return notRun(RESTART_TITLE, 'REDIS_URL names a server that is not ours to kill');
  }
  const stress = PHASES.find(({ name }) => name === 'stress')!;
  const { users } = scaled(stress, scale);
  const phase: Phase = { ...stress, name: 'restart', users, spawnRate: SPAWN_RATE };
  const tokens = await tokensFor(service);
  const sessions = await SessionWatch.open(service);
  const driving = drive(stage, service, phase, { seconds: SECONDS });
  const [{ result }, restart] = await Promise.all([
    driving,
    waitForUsers(phase).then(() => restartRedis(service.url, privateServer, tokens, sessions)),
  ]);
  return {
    title: RESTART_TITLE,
    how: `${users.toLocaleString('en-US')} users; kill -9, ${DEAD_MS / 1000} s without Redis, start`,
    rows: judgeRestart(restart),
    details: [],
    notes: [
      `Of ${result.requests.toLocaleString('en-US')} requests ` +
        `${result.failures.toLocaleString('en-US')} failed, with 503 where Redis could not be asked.`,
    ],
  };
}

function waitForUsers({ users, spawnRate }: Phase): Promise<void> {
  return sleep((users / spawnRate + SETTLE_SECONDS) * 1000);
}

/** Kills and restarts the server. Memory is as good as gone, so it must keep an append-only file. */
export async function restartRedis(
  url: string,
  server: PrivateServer,
  tokens: Tokens,
  sessions: SessionWatch,
): Promise<RestartResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const state = { isOver: false, lastFailureAt: 0, revokedAccepted: 0, revokedShown: 0 };
  const show = async (token: string, note: (status: number) => void) => {
    while (!state.isOver) {
      note((await ask(url, agent, { path: '/auth/verify', token })).status);
      await sleep(PROBE_PAUSE_MS);
    }
  };
  const probes = Array.from({ length: CONNECTIONS }, (_, index) =>
    index % 2 === 0
      ? show(tokens.valid, (status) => {
          if (status !== 200) state.lastFailureAt = performance.now();
        })
      : show(tokens.revoked, (status) => {
          state.revokedShown++;
          if (status === 200) state.revokedAccepted++;
        }),
  );
  await sleep(LEAD_MS - REFRESH_LEAD_MS);
  sessions.start();
  await sleep(REFRESH_LEAD_MS);
  await server.kill();
  sessions.stop();
  await sleep(DEAD_MS);
  await server.restart();
  const backAt = performance.now();
  await sleep(WATCH_MS);
  state.isOver = true;
  await Promise.all(probes);
  agent.destroy();
  return {
    ...(await sessions.finish()),
    recoveryMs: Math.max(0, state.lastFailureAt - backAt),
    revokedAccepted: state.revokedAccepted,
    revokedShown: state.revokedShown,
  };
}

/** Two live sessions, of which one is then logged out. */
async function tokensFor(service: Service): Promise<Tokens> {
  const file = await service.provision(`restart-probe${Date.now().toString(36)}`, 2);
  const [valid, revoked] = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { access_token: string }).access_token);
  const headers = { authorization: `Bearer ${revoked}` };
  const answer = await fetch(`${service.url}/auth/logout`, { method: 'POST', headers });
  if (answer.status !== 204) throw new Error(`POST /auth/logout answered ${answer.status}`);
  return { valid: valid!, revoked: revoked! };
}
