// A primary dies under load (kill -9) and a replica takes over. Meanwhile tokens are shown without a
// pause: valid ones of accounts that lie there and elsewhere, and revoked ones. Sessions are refreshed,
// begun and ended until the moment of the kill and beyond it, each as a client should that gets a 503: so
// afterwards it is known what was lost, and whether anybody had been told that it was safe.

import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadReport } from 'plimsoll-load';
import type { PrivateServer } from '../redis-server.js';
import { drive } from './drive.js';
import {
  type Account,
  accountsOf,
  Endings,
  Logins,
  Probes,
  sessionIdOf,
} from './failover-watch.js';
import { PHASES, type Phase, scaled } from './phases.js';
import type { Section, Table } from './report.js';
import { SessionWatch } from './session-watch.js';
import type { Stage } from './stage.js';
import type { Topology } from './topology.js';
import { type FailoverResult, judgeFailover } from './verdict.js';

/** The users of the stress phase are started faster here, as only what follows is looked at. */
const SPAWN_RATE = 250;
/**
 * Seconds until that is looked at, and seconds from then on: what comes before the kill, the failover, and the
 * watch after it. Less where the program is tried and the product not judged.
 */
const SECONDS = { settle: 8, watched: 32 } as const;
const TRIAL_SECONDS = { settle: 1, watched: 22 } as const;
/** How long the probes run before the kill. */
const LEAD_MS = 5_000;
/** So long before the kill sessions begin to be refreshed, begun and ended. */
const STREAM_MS = 1_000;
/** How long the service is watched once a replica has taken over. */
const WATCH_MS = 8_000;
const PROBES = 48;
const REVOKED = 8;
const ENDINGS = 400;

export function failoverTitle({ name }: Pick<Topology, 'name'>): string {
  return name === 'cluster'
    ? 'failover in a cluster under stress'
    : 'failover by sentinels under stress';
}

export async function failoverSection(
  stage: Stage,
  topology: Topology,
  scale: number,
): Promise<Section> {
  const { service } = stage;
  const stress = PHASES.find(({ name }) => name === 'stress')!;
  const { users } = scaled(stress, scale);
  const phase: Phase = { ...stress, name: 'failover', users, spawnRate: SPAWN_RATE };
  const { settle, watched } = scale === 1 ? SECONDS : TRIAL_SECONDS;
  const seconds = Math.ceil(users / SPAWN_RATE) + settle + watched;
  const accounts = await accountsOf(service, PROBES + REVOKED + ENDINGS);
  const sessions = await SessionWatch.open(service);
  const redirectsBefore = (await service.scrape()).redirects;
  const over = new AbortController();
  const [{ result: load, report }, result] = await Promise.all([
    drive(stage, service, phase, { seconds }),
    sleep((users / SPAWN_RATE + settle) * 1000).then(() =>
      failOver(service.url, topology, accounts, sessions, over.signal),
    ),
  ]).finally(() => over.abort());
  const redirects = (await service.scrape()).redirects - redirectsBefore;
  return {
    title: failoverTitle(topology),
    how: `${users.toLocaleString('en-US')} users; ${topology.what}; kill -9 of a primary, which comes back as a replica`,
    rows: judgeFailover(result),
    details: [unjudged(result, load.requests, load.failures, redirects), failuresOf(report)],
    notes: [
      'Logouts are answered once a replica has them (`AUTH_REVOCATION_REPLICAS=1`), and refused as ' +
        'unconfirmed as long as the new primary has none.',
      'Replication is asynchronous: of what was written in the last moments and not confirmed, some may be ' +
        'lost, whatever the client. The table counts it.',
    ],
  };
}

async function failOver(
  url: string,
  topology: Topology,
  accounts: readonly Account[],
  sessions: SessionWatch,
  over: AbortSignal,
): Promise<FailoverResult> {
  over.throwIfAborted();
  const victim = (await topology.primaries())[0] as PrivateServer;
  const keys = await topology.ask<string[]>(victim, 'KEYS', 'auth:{*}:session:*');
  const there = new Set(keys.map((key) => key.slice(key.lastIndexOf(':') + 1)));
  const isThere = (account: Account) => there.has(sessionIdOf(account.accessToken));
  const [valid, rest] = [accounts.slice(0, PROBES), accounts.slice(PROBES)];
  const endings = new Endings(url, rest.slice(REVOKED));
  const logins = new Logins(url, valid);
  const probes = await Probes.start(url, {
    affected: valid.filter(isThere),
    others: valid.filter((account) => !isThere(account)),
    revoked: rest.slice(0, REVOKED),
  });
  const stopAll = () => {
    for (const stream of [probes, sessions, endings, logins]) stream.stop();
  };
  // They would go on without end where the users' side has failed.
  over.addEventListener('abort', stopAll, { once: true });
  try {
    await sleep(LEAD_MS - STREAM_MS);
    for (const stream of [sessions, endings, logins]) stream.start();
    await sleep(STREAM_MS);
    await victim.kill();
    const killedAt = performance.now();
    sessions.stop();
    logins.stop();
    await topology.untilReplaced(victim);
    const replacedAt = performance.now();
    await topology.untilForgotten(victim);
    await victim.restart();
    await sleep(WATCH_MS);
    const ended = await endings.finish();
    return {
      ...(await sessions.finish()),
      ...(await probes.finish(killedAt, replacedAt)),
      ...ended,
      ...(await logins.finish()),
      replacedMs: replacedAt - killedAt,
    };
  } finally {
    stopAll();
  }
}

function unjudged(
  result: FailoverResult,
  requests: number,
  failures: number,
  redirects: number,
): Table {
  const number = (value: number) => Math.round(value).toLocaleString('en-US');
  const ms = (value: number) => (Number.isNaN(value) ? 'none there' : `${number(value)} ms`);
  return {
    title: 'Measured, not judged',
    columns: ['what', 'measured'],
    rows: [
      ['until a replica said that it is the primary', ms(result.replacedMs)],
      ['from the kill to the last failed answer', ms(result.replacedMs + result.recoveryMs)],
      ['requests of users', number(requests)],
      ['of these failed', `${number(failures)} (${((100 * failures) / requests).toFixed(2)} %)`],
      ['p99 at other primaries before the kill', ms(result.othersP99BeforeMs)],
      ['p99 at other primaries until it was replaced', ms(result.othersP99Ms)],
      ['logouts', number(result.logouts)],
      [
        'of these told at first that they were unconfirmed, or got no answer',
        number(result.logoutsRetried),
      ],
      ['sessions begun in the last second before the kill', number(result.loginsAcknowledged)],
      ['of these lost', number(result.loginsLost)],
      ['commands that a server sent to another one', number(redirects)],
    ],
  };
}

function failuresOf({ failures }: LoadReport): Table {
  return {
    title: 'What failed',
    columns: ['request', 'error', 'count'],
    rows: failures.map(({ name, error, occurrences: count }) => [
      name,
      error,
      count.toLocaleString('en-US'),
    ]),
  };
}
