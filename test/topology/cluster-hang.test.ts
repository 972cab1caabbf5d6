// A primary that hangs: it answers nothing, closes nothing, and says nothing of its replacement.

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { keySlot } from '../../src/base/key-slot.js';
import type { PlimsollOptions } from '../../src/index.js';
import { useCluster } from '../support/clusters.js';
import { type Outcome, outcomeOf } from '../support/outcome.js';
import { usePools } from '../support/pools.js';
import { until } from '../support/until.js';

const FAILOVER_MS = 15_000;
/** From the moment that the new primary says that it is one, ms. */
const RETURN_MS = 500;
/** What is in flight at the old one is given a second from then on. */
const SETTLED_MS = 2_000;

const cluster = useCluster({ replicas: 1 });
const openPool = usePools();

test('callers of a primary that hangs are served by the one that takes its place', async () => {
  const options: Partial<PlimsollOptions> = { commandTimeoutMs: 20_000 };
  const pool = openPool({ cluster: { nodes: cluster().nodes.slice(0, 2) }, ...options });
  const key = 'harbour';
  await pool.client.set(key, 'before');
  const primary = await cluster().ownerOf(keySlot(key));
  const [replica] = await cluster().replicasOf(primary);
  const begunAt = performance.now();
  const finished: { kind: string; at: number; outcome: Outcome }[] = [];
  let isOver = false;
  const commands: Promise<unknown>[] = [];
  const ask = (kind: string, answer: Promise<unknown>) => {
    const note = (outcome: Outcome) => finished.push({ kind, at: performance.now(), outcome });
    commands.push(outcomeOf(answer).then(note));
  };
  const asking = (async () => {
    while (!isOver) {
      ask('read', pool.client.get(key));
      ask('write', pool.client.set(key, 'after'));
      await sleep(20);
    }
  })();
  await sleep(100);
  primary.pause();
  await until(() => cluster().isPrimary(replica as never), FAILOVER_MS);
  const promotedAt = performance.now();
  const isServed = () =>
    finished.some(({ at, outcome }) => at > promotedAt && outcome.code === 'ok');
  await until(isServed, FAILOVER_MS);
  const servedMs = performance.now() - promotedAt;
  isOver = true;
  await asking;
  await Promise.all(commands);
  const settledMs = performance.now() - promotedAt;
  primary.resume();
  console.log(
    `promoted ${Math.round(promotedAt - begunAt)} ms after the start; served ` +
      `${Math.round(servedMs)} ms, all settled ${Math.round(settledMs)} ms later`,
  );
  expect(servedMs).toBeLessThan(RETURN_MS);
  expect(settledMs).toBeLessThan(SETTLED_MS);
  const codes = (kind: string) =>
    finished.filter((one) => one.kind === kind).map((one) => one.outcome.code);
  expect(new Set(codes('read'))).toEqual(new Set(['ok']));
  expect([...new Set(codes('write'))].sort()).toEqual(['OUTCOME_UNKNOWN', 'ok']);
  await cluster().ready();
});
