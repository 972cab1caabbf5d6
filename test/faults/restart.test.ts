// The server dies by kill -9 and comes back, and it stops answering for longer than any deadline.
// Lists prove what ran: each write appends an id of its own, so that an id that stands there twice
// ran twice, and an acknowledged id that is missing was lost. The server syncs each write to disk
// before it answers, hence an acknowledged write survives it.

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';

import { CoreClient, openPool } from '../support/core-client.js';
import { countCodes, type Outcome, outcomeOf, slowest } from '../support/outcome.js';
import { seededRandom } from '../support/seeded-random.js';
import { describeEachPrivateServer } from '../support/servers.js';

const DEADLINE_MS = 1_500;
/** The housekeeper's tick, and a machine that runs other tests beside. */
const TOLERANCE_MS = 300;
const CALLERS = 40;

interface Write {
  readonly list: string;
  readonly id: string;
  readonly outcome: Outcome;
}

/** Errors after which a write may stand in its list; after all others it must not. */
function mayHaveRun({ error, code }: Outcome): boolean {
  return error === undefined || code === 'OUTCOME_UNKNOWN' || error.sent === true;
}

describeEachPrivateServer(
  'a server that is killed under load',
  (server) => {
    test('loses no acknowledged write, runs none twice, and is used again within 1 s', async () => {
      const random = seededRandom();
      console.log(`seed ${random.seed}`);
      const pool = openPool({ url: server().url, maxConnections: 8, laneDepth: 8 });
      const redis = new CoreClient(pool, { timeout: DEADLINE_MS });
      const writes: Write[] = [];
      const increments = { acknowledged: 0, possible: 0 };
      const reads: Outcome[] = [];
      let lastSuccessAt = 0;
      let firstSuccessAt = 0;
      const note = (outcome: Outcome) => {
        if (outcome.error !== undefined) return;
        lastSuccessAt = performance.now();
        if (firstSuccessAt === 0) firstSuccessAt = lastSuccessAt;
      };
      let isOver = false;
      const call = async (caller: number) => {
        const list = `list:${caller}`;
        for (let count = 0; !isOver; count++) {
          const kind = random.integer(0, 3);
          if (kind === 0) {
            const read = await outcomeOf(redis.read('LLEN', list));
            reads.push(read);
            note(read);
          } else if (kind === 1) {
            const increment = await outcomeOf(redis.write('INCR', 'counter'));
            if (increment.error === undefined) increments.acknowledged++;
            if (mayHaveRun(increment)) increments.possible++;
            reads.push(increment);
            note(increment);
          } else {
            const id = `${caller}-${count}`;
            const outcome = await outcomeOf(redis.write('RPUSH', list, id));
            writes.push({ list, id, outcome });
            note(outcome);
          }
          // While the breaker is open errors come at once: callers that don't pause would spin.
          if (performance.now() - lastSuccessAt > 50) await sleep(5);
        }
      };
      const callers = Array.from({ length: CALLERS }, (_, caller) => call(caller));
      const recoveries: number[] = [];
      for (const downMs of [0, 200, 1_200]) {
        await sleep(400);
        await server().kill();
        await sleep(downMs);
        firstSuccessAt = 0;
        await server().restart();
        const returnedAt = performance.now();
        await sleep(1_000);
        expect(firstSuccessAt, 'served within 1 s of the return').toBeGreaterThan(0);
        recoveries.push(Math.max(0, firstSuccessAt - returnedAt));
      }
      isOver = true;
      await Promise.all(callers);

      const all = [...reads, ...writes.map(({ outcome }) => outcome)];
      console.log(
        `served again after ${recoveries.map((ms) => ms.toFixed(0)).join(', ')} ms;`,
        `slowest ${slowest(all).toFixed(0)} ms;`,
        countCodes(all),
      );
      expect(slowest(all)).toBeLessThan(DEADLINE_MS + TOLERANCE_MS);
      const standing = new Map<string, number>();
      for (let caller = 0; caller < CALLERS; caller++) {
        for (const id of await redis.read<string[]>('LRANGE', `list:${caller}`, '0', '-1')) {
          standing.set(id, (standing.get(id) ?? 0) + 1);
        }
      }
      const wrong = writes.filter(({ id, outcome }) => {
        const times = standing.get(id) ?? 0;
        if (outcome.error === undefined) return times !== 1;
        return mayHaveRun(outcome) ? times > 1 : times !== 0;
      });
      expect(wrong).toEqual([]);
      const counter = Number(await redis.read('GET', 'counter'));
      expect(counter).toBeGreaterThanOrEqual(increments.acknowledged);
      expect(counter).toBeLessThanOrEqual(increments.possible);
      expect(writes.filter(({ outcome }) => outcome.error === undefined).length).toBeGreaterThan(
        99,
      );
      await pool.close();
    });
  },
  { args: ['--appendonly', 'yes', '--appendfsync', 'always'] },
);

describeEachPrivateServer('a server that is stopped for longer than the deadline', (server) => {
  test('times callers out at their deadlines, and is used again within 1 s', async () => {
    const deadlineMs = 400;
    const pool = openPool({
      url: server().url,
      maxConnections: 4,
      laneDepth: 16,
      commandTimeoutMs: deadlineMs,
    });
    const redis = new CoreClient(pool, { timeout: deadlineMs });
    await Promise.all(ids(100).map((id) => redis.write('SET', `key:${id}`, `value:${id}`)));

    server().pause();
    const outcomes = await Promise.all(
      ids(100).map((id) => outcomeOf(redis.read('GET', `key:${id}`))),
    );
    expect(countCodes(outcomes)).toEqual({ COMMAND_TIMEOUT: 100 });
    for (const { tookMs, error } of outcomes) {
      expect(tookMs).toBeGreaterThan(deadlineMs - 20);
      expect(tookMs).toBeLessThan(deadlineMs + TOLERANCE_MS);
      expect(error?.sent).toBe(true);
    }
    const lateOutcome = await outcomeOf(redis.write('INCR', 'late'));
    expect(['ACQUIRE_TIMEOUT', 'COMMAND_TIMEOUT', 'BREAKER_OPEN']).toContain(lateOutcome.code);
    await sleep(600);

    server().resume();
    const resumedAt = performance.now();
    let served: Outcome;
    do {
      served = await outcomeOf(redis.read('GET', 'key:7'));
    } while (served.error !== undefined && performance.now() - resumedAt < 1_000);
    const recoveryMs = performance.now() - resumedAt;
    console.log(`served again ${recoveryMs.toFixed(0)} ms after SIGCONT`);
    expect(served.value).toBe('value:7');
    expect(recoveryMs).toBeLessThan(1_000);
    await pool.close();
  });

  test('sends late replies to nobody else on a connection that lives on', async () => {
    const pool = openPool({ url: server().url, maxConnections: 1 });
    const redis = new CoreClient(pool);
    await redis.write('SET', 'mine', 'mine');
    const { opened } = pool.status().counters;

    server().pause();
    const hasty = redis.with({ timeout: 200 });
    const abandoned = await Promise.all(
      ids(50).map((id) => outcomeOf(hasty.read('ECHO', `${id}`))),
    );
    expect(countCodes(abandoned)).toEqual({ COMMAND_TIMEOUT: 50 });
    const patient = ids(50).map((id) => redis.read('ECHO', `patient ${id}`));
    server().resume();
    expect(await Promise.all(patient)).toEqual(ids(50).map((id) => `patient ${id}`));
    expect(await redis.read('GET', 'mine')).toBe('mine');
    expect(pool.status().counters.opened).toBe(opened);
    await pool.close();
  });

  test('does not run a write again whose caller was told of a time-out', async () => {
    const pool = openPool({ url: server().url, maxConnections: 2, commandTimeoutMs: 300 });
    const redis = new CoreClient(pool, { timeout: 300 });
    await redis.read('PING');
    server().pause();
    const outcomes = await Promise.all(ids(20).map(() => outcomeOf(redis.write('INCR', 'once'))));
    expect(countCodes(outcomes)).toEqual({ COMMAND_TIMEOUT: 20 });
    server().resume();
    await sleep(700);
    // What had reached the server's socket ran when it woke; nothing ran besides.
    expect(Number(await redis.read('GET', 'once'))).toBeLessThanOrEqual(20);
    await pool.close();
  });
});

function ids(count: number): number[] {
  return Array.from({ length: count }, (_, id) => id);
}
