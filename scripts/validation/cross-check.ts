// Is the load tester right? The same class of traffic, an authenticated GET without a pause, driven in
// turns by ours and by wrk, or by autocannon where there is no wrk. One worker and Redis get one core
// and the tester the other, so that both tools measure the service and not themselves: several workers
// in turn on one core would answer some users at once and others late, and half of them is then a
// matter of chance. For the same reason the user asks for twenty sessions: token verification is so
// quick that a tester in JavaScript becomes the limit.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { promisify } from 'node:util';
import { type CrossCheckResult, crossCheck as runBoth } from 'plimsoll-load/cross-check';
import { ensureWrk } from '../redis-server.js';
import type { Section } from './report.js';
import type { Service } from './service.js';
import type { Stage } from './stage.js';
import type { Row } from './verdict.js';

export const CROSS_CHECK_TITLE = 'the load tester beside another';
/** How far the two may be apart, percent. */
const TOLERANCE_PERCENT = 10;
const CONNECTIONS = 50;
const ROUNDS = 9;
const DURATION_MS = 4_000;
const PATH = '/auth/sessions';
const SESSIONS = 20;
/** Where the service and its Redis run. */
const SERVICE_CPU = '0';

export async function crossCheck(stage: Stage, scale: number): Promise<Section> {
  const isPinned = os.platform() === 'linux' && os.cpus().length > 1;
  const witness = (await ensureWrk()) === undefined ? 'autocannon' : 'wrk';
  const cpus = isPinned ? { cpus: SERVICE_CPU } : {};
  const service = await stage.startService({ workers: 1, ...cpus });
  try {
    if (isPinned) await pinServer(stage, SERVICE_CPU);
    const file = await service.provision(`cross-check${Date.now().toString(36)}`, 1);
    const user = JSON.parse(readFileSync(file, 'utf8')) as ProvisionedUser;
    for (let sessions = 1; sessions < SESSIONS; sessions++) await logIn(service, user);
    const result = await runBoth({
      host: service.url,
      path: PATH,
      headers: { authorization: `Bearer ${user.access_token}` },
      connections: CONNECTIONS,
      rounds: ROUNDS,
      witness,
      durationMs: DURATION_MS * Math.min(1, Math.max(scale, 0.2)),
    });
    return sectionOf(result, witness, isPinned);
  } finally {
    await service.stop();
    if (isPinned) await pinServer(stage, `0-${os.cpus().length - 1}`);
  }
}

interface ProvisionedUser {
  readonly username: string;
  readonly password: string;
  readonly access_token: string;
}

async function logIn({ url }: Service, { username, password }: ProvisionedUser): Promise<void> {
  const answer = await fetch(`${url}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username, password }),
  });
  if (!answer.ok) throw new Error(`The login for another session got ${answer.status}.`);
}

/** Has all threads of our own Redis run on these CPUs; somebody else's stays where it is. */
async function pinServer({ privateServer }: Stage, cpus: string): Promise<void> {
  if (privateServer === undefined) return;
  const pid = String(privateServer.pid);
  await promisify(execFile)('taskset', ['-acp', cpus, pid]);
}

function sectionOf(result: CrossCheckResult, name: string, isPinned: boolean): Section {
  const { plimsoll, witness, rpsDifferencePercent, p50DifferencePercent } = result;
  const tools = [['plimsoll-load', plimsoll] as const, [name, witness] as const];
  return {
    title: CROSS_CHECK_TITLE,
    how:
      `${name}: GET ${PATH} of a user who has ${SESSIONS}, on ${CONNECTIONS} connections without a pause, medians of ${ROUNDS} rounds` +
      `, one worker${isPinned ? ' and Redis on one core, the tester on another' : ''}`,
    rows: [agreement('throughput', rpsDifferencePercent), agreement('p50', p50DifferencePercent)],
    details: [
      {
        title: 'Both tools',
        columns: ['tool', 'requests/s', 'p50 ms', 'p99 ms', 'failures'],
        rows: tools.map(([tool, { rps, p50, p99, failures }]) => [
          tool,
          rps.toFixed(0),
          p50.toFixed(2),
          p99.toFixed(2),
          String(failures),
        ]),
      },
    ],
    notes: [],
  };
}

function agreement(what: string, differencePercent: number): Row {
  return {
    what: `difference of ${what}`,
    expected: `within ${TOLERANCE_PERCENT} %`,
    measured: `${differencePercent.toFixed(1)} %`,
    passed: Math.abs(differencePercent) <= TOLERANCE_PERCENT,
    isProof: true,
  };
}
