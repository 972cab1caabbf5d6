// What happens behind sentinels: the primary is replaced, by command and by death; the sentinels go and
// come back; and one of them lies while two servers say that they are the primary.

import { setTimeout as sleep } from 'node:timers/promises';

import type { PrivateServer } from '../../../scripts/redis-server.js';
import { afterHandshake, startScriptedServer } from '../../support/scripted-server.js';
import { returnWithin } from '../fault.js';
import {
  behindSentinels,
  IN_FAILOVER,
  type Liar,
  RETURN_MS,
  type SentinelStage,
  WATCHER,
} from '../sentinel-world.js';

const BOUND = returnWithin(RETURN_MS, 'the moment that the new primary says it is one');
/** For faults that kill; more than a busy machine lets anybody wait. */
const DOWN_AFTER_MS = 800;
/** How long two primaries are there at the same time, ms: longer than any look for a new one. */
const SPLIT_MS = 6_000;

export const sentinelFaults = behindSentinels([
  {
    name: 'failover by command',
    does: '`SENTINEL FAILOVER`: the replica is promoted, and the old primary becomes its replica',
    rounds: 4,
    isQuick: true,
    bound: BOUND,
    mayMeet: IN_FAILOVER,
    strike: async ({ world, healed }) => healed(await world.failOver()),
    mend: ({ world }) => world.untilInStep(),
  },
  {
    name: 'failover by kill',
    does: '`kill -9` of the primary; the sentinels promote the replica; the old one comes back as its replica',
    rounds: 3,
    downAfterMs: DOWN_AFTER_MS,
    bound: BOUND,
    mayMeet: IN_FAILOVER,
    async strike({ world, healed }) {
      const promoted = world.promotion();
      await world.current.kill();
      await healed(await promoted);
    },
    async mend({ world }) {
      await world.other.restart();
      await world.untilInStep();
    },
  },
  {
    name: 'all sentinels restarted',
    does: 'all three killed, started again 300 ms later, and then asked for a failover',
    rounds: 2,
    bound: BOUND,
    mayMeet: IN_FAILOVER,
    async strike({ world, healed, load, check }) {
      const { sentinels } = world.setup;
      const known = load.calls.length;
      await Promise.all(sentinels.map((sentinel) => sentinel.kill()));
      await sleep(300);
      await Promise.all(sentinels.map((sentinel) => sentinel.restart()));
      await world.untilInStep();
      const failed = load.calls.slice(known).filter(({ code }) => code !== 'ok');
      check(failed.length === 0, `${failed.length} calls noticed that the sentinels were away`);
      await healed(await world.failOver());
    },
    mend: ({ world }) => world.untilInStep(),
  },
  {
    name: 'sentinels at new addresses',
    does: 'one sentinel restarted, the other two replaced by ones at new addresses; then a failover',
    rounds: 2,
    bound: BOUND,
    mayMeet: IN_FAILOVER,
    async strike({ world, healed, load, check }) {
      const known = load.calls.length;
      await world.setup.sentinels[0]?.restart();
      for (const index of [1, 2]) await world.setup.renewSentinel(index);
      await world.untilInStep();
      const failed = load.calls.slice(known).filter(({ code }) => code !== 'ok');
      check(failed.length === 0, `${failed.length} calls noticed that the sentinels moved`);
      await healed(await world.failOver());
    },
    mend: ({ world }) => world.untilInStep(),
  },
  {
    name: 'split brain with a lying sentinel',
    does:
      'the sentinels are locked out of the primary and promote the replica; the old one goes on as a primary ' +
      `for ${SPLIT_MS / 1_000} s, and the first sentinel in the list names it all the time, while connections are killed`,
    rounds: 2,
    isLockable: true,
    downAfterMs: DOWN_AFTER_MS,
    liars: startLiar,
    bound: BOUND,
    mayMeet: IN_FAILOVER,
    strike: splitBrain,
    mend: reunite,
  },
]);

/** Names the server that was the primary in the beginning, whatever happens. */
async function startLiar([first]: readonly PrivateServer[]): Promise<readonly Liar[]> {
  const { host, port } = first as PrivateServer;
  const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;
  const answer = `*2\r\n${bulk(host)}${bulk(String(port))}`;
  const script = afterHandshake(([, what]) =>
    what === 'GET-MASTER-ADDR-BY-NAME' ? answer : '*0\r\n',
  );
  return [await startScriptedServer(script)];
}

async function splitBrain({ world, healed, random }: SentinelStage): Promise<void> {
  const { current: old, setup } = world;
  const promoted = world.promotion();
  await setup.ask(old, 'ACL', 'SETUSER', WATCHER.username, 'off');
  await setup.ask(old, 'CLIENT', 'KILL', 'USER', WATCHER.username);
  await healed(await promoted);
  const until = performance.now() + SPLIT_MS;
  while (performance.now() < until) {
    await sleep(random.integer(200, 600));
    // Whoever connects anew has to ask who the primary is.
    const kill = ['CLIENT', 'KILL', 'TYPE', 'normal', 'USER', 'default', 'SKIPME', 'yes'];
    await setup.ask(world.current, ...kill);
  }
  await healed();
}

/** The old primary obeys the sentinels again, and what the liar names is the primary in the end. */
async function reunite({ world }: SentinelStage): Promise<void> {
  const { other: old, setup } = world;
  await setup.ask(old, 'ACL', 'SETUSER', WATCHER.username, 'on');
  // Sentinels that were refused stay connected, and log in only when they connect.
  for (const type of ['normal', 'pubsub']) {
    await setup.ask(old, 'CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');
  }
  await world.untilInStep();
  await world.failOver();
  await world.untilInStep();
}
