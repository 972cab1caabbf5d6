// What happens in a cluster: primaries are replaced, by death and by command; slots move, and stay half
// moved; nodes come and go, or stand behind a NAT; a whole shard is lost, which the others don't notice.

import { setTimeout as sleep } from 'node:timers/promises';

import { type PrivateServer, startPrivateServer } from '../../../scripts/redis-server.js';
import { keySlot } from '../../../src/base/key-slot.js';
import { until } from '../../support/until.js';
import {
  type ClusterStage,
  type ClusterWorld,
  inCluster,
  RETURN_MS,
  WITHOUT_PRIMARY,
} from '../cluster-world.js';
import { LOST, returnWithin, UNNOTICED } from '../fault.js';
import type { Call } from '../load.js';

const PROMOTED = returnWithin(RETURN_MS, 'the moment that the new primary says it is one');
/** A lease that holds a WATCH can't be redirected, so that its borrower hears of a move. */
const LEASE_IN_A_MOVE = ['MOVED', 'ASK', 'TRYAGAIN', 'EXECABORT', 'One', 'CONNECTION_LOST'];
const ALL_BUT_LEASES = ['read', 'write', 'block'] as const;
const FROZEN_MS = 300;
/** Of the callers on shards that are well: p99 against before. Less than this is no difference, ms. */
const MOST_SLOWER = 2;
const LEAST_MS = 30;
/** How long their latencies are looked at before. */
const BEFORE_MS = 1_000;
const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always'];
const NODE_WITHIN_MS = 20_000;

export const clusterFaults = inCluster([
  {
    name: 'a primary killed',
    does: '`kill -9` of one of three primaries, whose replica takes its place; callers of the others must not notice',
    rounds: 3,
    isLossy: true,
    bound: PROMOTED,
    mayMeet: WITHOUT_PRIMARY,
    async strike(stage) {
      const { world, healed } = stage;
      const primary = await somePrimary(stage);
      const replica = await world.replicaOf(primary);
      const others = await slotsElsewhere(stage, primary);
      await sleep(BEFORE_MS);
      const killedAt = performance.now();
      await primary.kill();
      const promotedAt = await world.promotion(replica);
      await healed(promotedAt);
      judgeOthers(stage, others, killedAt, promotedAt);
    },
    mend: reviveAll,
  },
  {
    name: 'CLUSTER FAILOVER',
    does: 'a replica takes the place of its primary in agreement with it: no write may be lost at all',
    rounds: 4,
    bound: PROMOTED,
    mayMeet: WITHOUT_PRIMARY,
    strike: (stage) => failOver(stage),
    mend: ({ world }) => world.cluster.ready(),
  },
  {
    name: 'CLUSTER FAILOVER FORCE',
    does: 'a replica takes the place of its primary without asking it',
    rounds: 3,
    isLossy: true,
    bound: PROMOTED,
    mayMeet: WITHOUT_PRIMARY,
    strike: (stage) => failOver(stage, 'FORCE'),
    mend: ({ world }) => world.cluster.ready(),
  },
  {
    name: 'slots moved',
    does: 'six slots of callers go to another primary, one after the other',
    rounds: 4,
    bound: UNNOTICED,
    mayMeet: LEASE_IN_A_MOVE,
    unnoticedBy: ALL_BUT_LEASES,
    async strike({ world: { cluster }, random, load }) {
      for (let count = 0; count < 6; count++) {
        const slot = keySlot(random.pick(load.lists));
        await cluster.moveSlot(slot, await elsewhere(cluster, slot));
      }
    },
  },
  {
    name: 'a move frozen half way',
    does: `a caller's slot is on its way for ${FROZEN_MS} ms, its keys on both sides (ASK, TRYAGAIN)`,
    rounds: 4,
    bound: UNNOTICED,
    // BLMOVE has two keys, which may be on both sides.
    mayMeet: LEASE_IN_A_MOVE,
    unnoticedBy: ['read', 'write'],
    async strike({ world: { cluster }, random, load }) {
      const list = random.pick(load.lists);
      const slot = keySlot(list);
      const to = await elsewhere(cluster, slot);
      const from = await cluster.beginMove(slot, to);
      await sleep(FROZEN_MS / 2);
      await cluster.moveKeys(slot, from, to, [list]);
      await sleep(FROZEN_MS / 2);
      await cluster.moveKeys(slot, from, to);
      await cluster.endMove(slot, to);
    },
    mend: ({ world }) => world.cluster.ready(),
  },
  {
    name: 'MOVED to and fro',
    does: `two nodes send the callers of a slot to each other for ${FROZEN_MS} ms`,
    rounds: 4,
    bound: returnWithin(RETURN_MS, 'the end of it'),
    mayMeet: [...LEASE_IN_A_MOVE, ...LOST, 'COMMAND_TIMEOUT'],
    async strike({ world: { cluster }, random, load, healed }) {
      const slot = keySlot(random.pick(load.lists));
      const to = await elsewhere(cluster, slot);
      const from = await cluster.ownerOf(slot);
      const keys = await cluster.ask<string[]>(
        from,
        ...['CLUSTER', 'GETKEYSINSLOT', String(slot), '100'],
      );
      await cluster.beginMove(slot, to);
      await cluster.moveKeys(slot, from, to, keys);
      await cluster.moveKeys(slot, from, to);
      // The old owner has heard of it, and the new one has not.
      const id = await cluster.idOf(to);
      await cluster.ask(from, 'CLUSTER', 'SETSLOT', String(slot), 'NODE', id);
      await cluster.ask(to, 'CLUSTER', 'SETSLOT', String(slot), 'STABLE');
      await sleep(FROZEN_MS);
      await cluster.endMove(slot, to);
      await healed();
    },
    mend: ({ world }) => world.cluster.ready(),
  },
  {
    name: 'a node added and removed',
    does: 'a fourth primary joins, gets five slots of callers, gives them back and leaves',
    rounds: 2,
    bound: UNNOTICED,
    mayMeet: LEASE_IN_A_MOVE,
    unnoticedBy: ALL_BUT_LEASES,
    strike: addAndRemove,
  },
  {
    name: 'behind a NAT',
    does: 'nodes announce the ports of proxies, which reset all connections; then a slot moves',
    rounds: 5,
    isBehindNat: true,
    bound: returnWithin(1_000, 'the reset'),
    mayMeet: [...LOST, ...LEASE_IN_A_MOVE],
    async strike({ world: { proxies }, healed, random }) {
      for (let count = 0; count < 5; count++) {
        random.pick(proxies).resetAll();
        await sleep(random.integer(10, 60));
      }
      for (const proxy of proxies) proxy.resetAll();
      await healed();
    },
  },
  {
    name: 'a shard lost',
    does: 'a primary and its replica killed for 1 s, and started again; callers of other shards must not notice',
    rounds: 3,
    args: DURABLE,
    bound: returnWithin(1_000, 'the shard serving again'),
    mayMeet: WITHOUT_PRIMARY,
    strike: loseShard,
    mend: ({ world }) => world.cluster.ready(),
  },
]);

async function somePrimary({ world, random }: ClusterStage): Promise<PrivateServer> {
  return random.pick(await world.cluster.primaries());
}

async function elsewhere(cluster: ClusterWorld['cluster'], slot: number): Promise<PrivateServer> {
  const owner = await cluster.ownerOf(slot);
  const others = (await cluster.primaries()).filter((server) => server !== owner);
  return others[slot % others.length] as PrivateServer;
}

async function failOver(stage: ClusterStage, mode?: 'FORCE'): Promise<void> {
  const { world, healed } = stage;
  const replica = await world.replicaOf(await somePrimary(stage));
  const promoted = world.promotion(replica);
  await world.cluster.failOver(replica, mode);
  await healed(await promoted);
}

async function reviveAll({ world: { cluster } }: ClusterStage): Promise<void> {
  const dead = cluster.servers.filter((server) => !server.running);
  for (const server of dead) await server.restart();
  await cluster.ready();
}

/** The slots of the load whose primary is another one. */
async function slotsElsewhere(
  { world: { cluster }, load }: ClusterStage,
  primary: PrivateServer,
): Promise<ReadonlySet<number>> {
  const slots = new Set(load.lists.map(keySlot));
  for (const slot of slots) if ((await cluster.ownerOf(slot)) === primary) slots.delete(slot);
  return slots;
}

/** Calls to shards that are well: none fails, and they take as long as before. */
function judgeOthers(
  { load, check }: ClusterStage,
  slots: ReadonlySet<number>,
  from: number,
  to: number,
): void {
  const theirs = load.calls.filter(
    ({ slot, kind }) => kind === 'write' && slot !== undefined && slots.has(slot),
  );
  const during = theirs.filter(({ startedAt }) => startedAt >= from && startedAt < to);
  const failed = during.filter(({ code }) => code !== 'ok');
  check(failed.length === 0, `${failed.length} calls to other shards failed: ${failed[0]?.code}`);
  const before = p99(theirs.filter(({ endedAt }) => endedAt < from));
  const meanwhile = p99(during);
  const isSame = meanwhile <= Math.max(MOST_SLOWER * before, LEAST_MS);
  const figures = `p99 ${meanwhile.toFixed(1)} ms, ${before.toFixed(1)} ms before`;
  check(isSame && during.length > 0, `other shards noticed: ${figures}`);
}

function p99(calls: readonly Call[]): number {
  const sorted = calls.map(({ startedAt, endedAt }) => endedAt - startedAt).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.99)] ?? 0;
}

async function loseShard(stage: ClusterStage): Promise<void> {
  const { world, healed } = stage;
  const { cluster } = world;
  const primary = await somePrimary(stage);
  const replica = await world.replicaOf(primary);
  const others = await slotsElsewhere(stage, primary);
  await sleep(BEFORE_MS);
  const killedAt = performance.now();
  await Promise.all([primary.kill(), replica.kill()]);
  await sleep(1_000);
  const startedAt = performance.now();
  await Promise.all([primary.restart(), replica.restart()]);
  judgeOthers(stage, others, killedAt, startedAt);
  const isServing = async () =>
    /cluster_state:ok/.test(await cluster.ask<string>(primary, 'CLUSTER', 'INFO').catch(() => ''));
  await until(isServing, NODE_WITHIN_MS);
  await healed();
}

async function addAndRemove({ world: { cluster }, random, load }: ClusterStage): Promise<void> {
  const servers = cluster.servers as PrivateServer[];
  const first = servers[0] as PrivateServer;
  const args = ['--cluster-enabled', 'yes', '--cluster-require-full-coverage', 'no'];
  const node = await startPrivateServer({ args: [...args, '--cluster-node-timeout', '1000'] });
  await cluster.ask(node, 'CLUSTER', 'MEET', first.host, String(first.port));
  const isKnown = async () => {
    const views = await Promise.all(
      [...servers, node].map((server) => cluster.ask<string>(server, 'CLUSTER', 'NODES')),
    );
    const count = servers.length + 1;
    const state = await cluster.ask<string>(node, 'CLUSTER', 'INFO');
    if (!/cluster_state:ok/.test(state)) return false;
    return views.every(
      (view) => !/handshake/.test(view) && view.trim().split('\n').length === count,
    );
  };
  await until(isKnown, NODE_WITHIN_MS);
  servers.push(node);
  const slots = new Set<number>();
  while (slots.size < 5) slots.add(keySlot(random.pick(load.lists)));
  const owners = new Map<number, PrivateServer>();
  for (const slot of slots) {
    owners.set(slot, await cluster.ownerOf(slot));
    await cluster.moveSlot(slot, node);
  }
  await sleep(200);
  for (const [slot, owner] of owners) await cluster.moveSlot(slot, owner);
  servers.pop();
  const id = await cluster.idOf(node);
  for (const server of servers) await cluster.ask(server, 'CLUSTER', 'FORGET', id);
  await node.stop();
}
