// The simulator holds what it promises: it runs alike with the same seed, the library passes it, and
// bugs that are put in on purpose are found, each by the rule that it breaks.

import { readFileSync } from 'node:fs';
import { seedOf } from 'plimsoll-cli/simulated-time/chance.js';
import { afterEach, describe, expect, test } from 'vitest';
import { type EpisodeResult, runEpisode } from '../scripts/simulate/episode.js';
import { drawPlan, type Plan } from '../scripts/simulate/plan.js';
import { shrink } from '../scripts/simulate/shrink.js';
import { RingQueue } from '../src/base/ring-queue.js';
import { createPool } from '../src/index.js';
import { Entry } from '../src/node/entry.js';
import { NodePool } from '../src/node/node-pool.js';
import { Waiters } from '../src/node/waiters.js';
import { Recovery } from '../src/pool/recovery.js';
import { Connection } from '../src/wire/connection.js';
import { testSeed } from './support/seeded-random.js';

/** A seeded bug has to show within so many episodes. */
const MOST_EPISODES = 40;

const run = (plan: Plan) => runEpisode(plan, createPool);

/** On a machine that does much else besides, ms. */
const PATIENCE_MS = 120_000;

/** Episodes that found a fault once, made short, with what it was: they fail without its mending. */
const FOUND: readonly { fault: string; plan: Plan }[] = JSON.parse(
  readFileSync(new URL('support/found-episodes.json', import.meta.url), 'utf8'),
);

test('the same seed gives the same run, to the last step', async () => {
  const whole = drawPlan(seedOf(1, 1));
  const plan = { ...whole, acts: whole.acts.slice(0, 300) };
  const lines: string[][] = [[], []];
  const results = [];
  for (const taken of lines) {
    results.push(await runEpisode(plan, createPool, (at, text) => taken.push(`${at} ${text}`)));
  }
  expect(lines[0]!.length).toBeGreaterThan(100);
  expect(lines[1]).toEqual(lines[0]);
  expect(results[1]).toEqual(results[0]);
});

test('the rules hold in 25,000 steps', { timeout: PATIENCE_MS }, async () => {
  const seed = testSeed();
  let steps = 0;
  for (let number = 0; steps < 25_000; number++) {
    const plan = drawPlan(seedOf(seed, number));
    const result = await run(plan);
    steps += result.steps;
    expect(result.violation, `seed ${seed}: npm run simulate -- --episode ${plan.seed}`).toBe(
      undefined,
    );
  }
});

test.each(FOUND)(
  'it does not show again that $fault',
  { timeout: PATIENCE_MS },
  async ({ plan }) => {
    expect((await run(plan)).violation).toBe(undefined);
  },
);

describe('a bug that is put in on purpose is found:', { timeout: PATIENCE_MS }, () => {
  const undo: (() => void)[] = [];
  afterEach(() => {
    for (const putBack of undo.splice(0)) putBack();
  });

  /** Replaces what a prototype has of that name. */
  function mutate(prototype: object, name: string, descriptor: PropertyDescriptor): void {
    const former = Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor;
    expect(former, `${name} is there`).toBeDefined();
    Object.defineProperty(prototype, name, { ...descriptor, configurable: true });
    undo.push(() => Object.defineProperty(prototype, name, former));
  }

  /** The first episode that breaks a rule. @param first Where to begin, to save time. */
  async function hunt(first = 0): Promise<{ plan: Plan; failure: EpisodeResult }> {
    for (let number = first; number < first + MOST_EPISODES; number++) {
      const plan = drawPlan(seedOf(7, number));
      const failure = await run(plan);
      if (failure.violation !== undefined) return { plan, failure };
    }
    throw new Error(`${MOST_EPISODES} episodes have not found it`);
  }

  test('a write that may have run is sent again', async () => {
    const { recover } = Recovery.prototype;
    mutate(Recovery.prototype, 'recover', {
      value(this: Recovery, ...given: Parameters<Recovery['recover']>) {
        given[given.indexOf('unknown')] = 'not-applied';
        return recover.apply(this, given);
      },
    });
    const { plan, failure } = await hunt();
    expect(failure.violation?.rule).toBe('once');
    const shortest = await shrink(plan, failure, run, 30);
    expect((await run(shortest)).violation?.rule).toBe('once');
    expect(shortest.acts.length).toBeLessThan(plan.acts.length / 2);
  });

  test('a late reply is given to the next command', async () => {
    const { peek, shift } = RingQueue.prototype;
    mutate(RingQueue.prototype, 'peek', {
      value(this: RingQueue<{ settled?: boolean }>) {
        while (peek.call(this)?.settled === true) shift.call(this);
        return peek.call(this);
      },
    });
    expect((await hunt()).failure.violation?.rule).toMatch(/right reply|once|no surprise/);
  });

  test('deadlines of what is in flight are not kept', async () => {
    mutate(Connection.prototype, 'expire', { value: () => 0 });
    expect((await hunt()).failure.violation?.rule).toBe('in time');
  });

  test('who waits is forgotten when the breaker opens', async () => {
    const { drain } = Waiters.prototype;
    mutate(Waiters.prototype, 'drain', {
      value(this: Waiters) {
        drain.call(this);
        return { commands: [], leases: [] };
      },
    });
    expect((await hunt(12)).failure.violation?.rule).toMatch(/in time|alive/);
  });

  test('a leased connection is lent again', async () => {
    mutate(Entry.prototype, 'isIdle', {
      get(this: Entry) {
        return (
          this.state !== 'closed' && this.state !== 'draining' && this.connection.inFlight === 0
        );
      },
    });
    expect((await hunt()).failure.violation?.rule).toMatch(/alone|bounded/);
  });

  test('the timer never comes to rest', async () => {
    const { sweep } = NodePool.prototype;
    mutate(NodePool.prototype, 'sweep', {
      value(this: NodePool, now: number) {
        sweep.call(this, now);
        return true;
      },
    });
    expect((await hunt()).failure.violation?.rule).toBe('quiet');
  });
});
