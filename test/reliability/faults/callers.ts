// What happens on the callers' side: their event loop stands still, they cancel, they ask for too
// much, a process beside them dies; the pool is closed, resized and suspended under them.

import { spawn } from 'node:child_process';
import { getEventListeners, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { countCodes, outcomeOf, outcomesOf } from '../../support/outcome.js';
import { until } from '../../support/until.js';
import { UNNOTICED } from '../fault.js';
import { type OneServerStage, oneServer, openPool } from '../one-server.js';

const SHORT_DEADLINE_MS = 500;
const ABORTS = 1_000;
/** From the abort to the rejection, ms; a busy machine included. */
const ABORT_MS = 100;
const MAX_REPLY_BYTES = 65_536;
const CLOSE_TOLERANCE_MS = 200;

const RUN = fileURLToPath(new URL('../../support/run-typescript.mjs', import.meta.url));
const WORKER = fileURLToPath(new URL('../programs/busy-worker.ts', import.meta.url));

export const callerFaults = oneServer([
  {
    name: 'event loop blocked',
    does: `the process stands still for 800 ms, three times, with deadlines of ${SHORT_DEADLINE_MS} ms`,
    rounds: 5,
    isDirect: true,
    pool: { commandTimeoutMs: SHORT_DEADLINE_MS, acquireTimeoutMs: SHORT_DEADLINE_MS },
    bound: UNNOTICED,
    mayMeet: [],
    async strike({ random }) {
      for (let count = 0; count < 3; count++) {
        // One block is forgiven; those that follow at once are not (src/pool/housekeeper.ts).
        await sleep(random.integer(200, 300));
        const end = performance.now() + 800;
        while (performance.now() < end);
      }
    },
  },
  {
    name: 'a reply beyond the limit',
    does: `20 replies of 200 kB, where \`maxReplyBytes\` is ${MAX_REPLY_BYTES}`,
    rounds: 10,
    pool: { maxReplyBytes: MAX_REPLY_BYTES },
    bound: UNNOTICED,
    mayMeet: [],
    async strike({ world, pool, check }) {
      await world.ask('SET', 'giant', 'x'.repeat(200_000));
      const replies = Array.from({ length: 20 }, () => pool.client.get('giant'));
      const { REPLY_TOO_LARGE, ...others } = countCodes(await outcomesOf(replies));
      check(REPLY_TOO_LARGE === 20, `giants were answered with ${JSON.stringify(others)}`);
    },
  },
  {
    name: 'a worker killed',
    does: 'a process that writes through a pool of its own dies by `kill -9`; ours goes on',
    rounds: 3,
    bound: UNNOTICED,
    mayMeet: [],
    strike: killWorker,
  },
  {
    name: '1,000 aborts',
    does: `${ABORTS} calls cancelled by AbortSignals at any moment, half of them by a shared one`,
    rounds: 10,
    isQuick: true,
    bound: UNNOTICED,
    mayMeet: [],
    strike: abort,
  },
  {
    name: 'closed in the middle',
    does: 'another pool under the same load is closed, with 0 to 1,000 ms for what it has in hand',
    rounds: 10,
    isQuick: true,
    bound: UNNOTICED,
    mayMeet: [],
    strike: closeInTheMiddle,
  },
  {
    name: 'resized and suspended',
    does: '`resize` to 1 to 12 connections, ten times, and `suspend` for 20 to 200 ms between',
    rounds: 10,
    isQuick: true,
    bound: UNNOTICED,
    mayMeet: [],
    async strike({ pool, random }) {
      for (let count = 0; count < 10; count++) {
        pool.resize(random.integer(1, 12));
        await sleep(random.integer(0, 50));
        if (count % 3 !== 2) continue;
        pool.suspend();
        await sleep(random.integer(20, 200));
        pool.resume();
      }
      pool.resize(8);
    },
  },
]);

async function killWorker({ world, random, round, check }: OneServerStage): Promise<void> {
  const task = { url: world.server.url, list: `worker:${round}`, name: `worker-${round}` };
  const worker = spawn(process.execPath, [RUN, WORKER, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  worker.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  const ended = once(worker, 'close');
  await until(() => printed.length > 10_000, 20_000);
  await sleep(random.integer(0, 100));
  worker.kill('SIGKILL');
  await ended;
  const acknowledged = printed.split('\n').slice(0, -1);
  const standing = await world.ask<string[]>('LRANGE', task.list, '0', '-1');
  const distinct = new Set(standing);
  const lost = acknowledged.filter((token) => !distinct.has(token)).length;
  check(lost === 0, `${lost} of ${acknowledged.length} writes of the killed worker are lost`);
  const twice = standing.length - distinct.size;
  check(twice === 0, `${twice} writes of the killed worker ran twice`);
  const isGone = async () => !String(await world.ask('CLIENT', 'LIST')).includes(task.name);
  const areGone = await until(isGone, 1_000).then(
    () => true,
    () => false,
  );
  check(areGone, 'the server still has connections of the killed worker');
  await world.ask('DEL', task.list);
}

async function abort({ pool, random, check, world }: OneServerStage): Promise<void> {
  const shared = new AbortController();
  let sharedAt = Number.POSITIVE_INFINITY;
  const counts = { least: 0, most: 0 };
  let slowestMs = 0;
  const codes = new Set<string>();
  const call = async (index: number) => {
    const own = new AbortController();
    const { signal } = index % 2 === 0 ? shared : own;
    let ownAt = Number.POSITIVE_INFINITY;
    const outcome = outcomeOf(pool.client.withAbortSignal(signal).incr('cancelled'));
    // Some at once, some before they are sent, most while the reply is on its way.
    setTimeout(
      () => {
        ownAt = performance.now();
        own.abort();
      },
      random.integer(0, 3),
    );
    const { code, error } = await outcome;
    codes.add(code);
    if (error === undefined) counts.least++;
    if (error === undefined || error.sent !== false) counts.most++;
    const abortedAt = signal === own.signal ? ownAt : sharedAt;
    if (error !== undefined) slowestMs = Math.max(slowestMs, performance.now() - abortedAt);
  };
  const { opened } = pool.status().counters;
  const before = Number(await world.ask('GET', 'cancelled'));
  const calls: Promise<void>[] = [];
  for (let index = 0; index < ABORTS; index++) {
    calls.push(call(index));
    if (index % 50 === 49) await sleep(random.integer(0, 5));
  }
  sharedAt = performance.now();
  shared.abort();
  await Promise.all(calls);
  codes.delete('ok');
  codes.delete('ABORTED');
  check(codes.size === 0, `who cancelled was told ${[...codes].join(', ')}`);
  check(slowestMs < ABORT_MS, `a call was rejected ${Math.round(slowestMs)} ms after its abort`);
  const ran = Number(await world.ask('GET', 'cancelled')) - before;
  const isRight = ran >= counts.least && ran <= counts.most;
  check(isRight, `${ran} of the cancelled ran, not ${counts.least} to ${counts.most}`);
  check(pool.status().counters.opened - opened < 8, 'aborts cost connections');
  const left = getEventListeners(shared.signal, 'abort').length;
  check(left === 0, `${left} listeners are left on an aborted signal`);
}

async function closeInTheMiddle({ world, random, addLoad, check }: OneServerStage): Promise<void> {
  const other = openPool(world, { name: 'to-be-closed' });
  const load = addLoad(other, ['POOL_CLOSED', 'OUTCOME_UNKNOWN', 'CONNECTION_LOST']);
  await until(() => load.calls.length > 100);
  const timeoutMs = random.pick([0, 5, 100, 1_000]);
  const startedAt = performance.now();
  await other.close({ timeoutMs });
  const tookMs = performance.now() - startedAt;
  check(
    tookMs < timeoutMs + CLOSE_TOLERANCE_MS,
    `close({ timeoutMs: ${timeoutMs} }) took ${Math.round(tookMs)} ms`,
  );
  const { open } = other.status().connections;
  check(open === 0, `a closed pool has ${open} connections`);
  const unsettled = await load.stop(CLOSE_TOLERANCE_MS);
  check(unsettled === 0, `${unsettled} calls of a closed pool never settled`);
}
