// Random subscriptions and ends of them, while connections are killed and replaced: what is heard
// in the end is what a model of a few lines says. A seed is printed; TEST_SEED repeats a run.

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type Outcome, outcomeOf } from '../support/outcome.js';
import { type SeededRandom, seededRandom } from '../support/seeded-random.js';
import { describeEachPrivateServer } from '../support/servers.js';
import { until } from '../support/until.js';
import { openPool } from './pools.js';

const CHANNELS = Array.from({ length: 12 }, (_, index) => `channel:${index}`);
const LISTENERS = 5;
const STEPS = 600;

/** Who listens to which channel. */
class Model {
  readonly #wanted = new Map<string, Set<number>>(CHANNELS.map((name) => [name, new Set()]));

  listeners(channel: string): Set<number> {
    return this.#wanted.get(channel) as Set<number>;
  }

  get pairs(): string[] {
    const pairsOf = (name: string) => [...this.listeners(name)].map((index) => `${index} ${name}`);
    return CHANNELS.flatMap(pairsOf).sort();
  }
}

function someChannels(random: SeededRandom): string[] {
  return CHANNELS.filter(() => random.next() < 0.2).concat(random.pick(CHANNELS));
}

for (const RESP of [3, 2] as const) {
  describeEachPrivateServer(`random subscriptions over RESP${RESP}`, (server) => {
    test('end as a model says', { timeout: 60_000 }, async () => {
      const random = seededRandom();
      console.log(`random subscriptions: TEST_SEED=${random.seed}`);
      await using admin = openPool(server());
      await using pool = openPool(server(), { RESP, maxLifetimeMs: 700 });
      const redis = pool.client;
      const model = new Model();
      let heard = new Set<string>();
      const listeners = Array.from(
        { length: LISTENERS },
        (_, index) => (_message: string, channel: string) => heard.add(`${index} ${channel}`),
      );
      const outcomes: Promise<Outcome>[] = [];

      /** A call that is given up is as if it had not been made, unless it was done before. */
      const subscribeAndGiveUp = async (channels: string[], index: number) => {
        const abort = new AbortController();
        const given = outcomeOf(
          redis.withAbortSignal(abort.signal).subscribe(channels, listeners[index]!),
        );
        if (random.next() < 0.5) await sleep(1);
        abort.abort();
        const { code } = await given;
        expect(code).toMatch(/^(ok|ABORTED)$/);
        if (code === 'ok') for (const channel of channels) model.listeners(channel).add(index);
      };
      const step = async () => {
        const index = random.integer(0, LISTENERS - 1);
        const channels = someChannels(random);
        const chance = random.next();
        if (chance < 0.5) {
          outcomes.push(outcomeOf(redis.subscribe(channels, listeners[index]!)));
          for (const channel of channels) model.listeners(channel).add(index);
        } else if (chance < 0.75) {
          outcomes.push(outcomeOf(redis.unsubscribe(channels, listeners[index]!)));
          for (const channel of channels) model.listeners(channel).delete(index);
        } else if (chance < 0.85) {
          outcomes.push(outcomeOf(redis.unsubscribe(channels)));
          for (const channel of channels) model.listeners(channel).clear();
        } else if (chance < 0.87) {
          outcomes.push(outcomeOf(redis.unsubscribe()));
          for (const channel of CHANNELS) model.listeners(channel).clear();
        } else if (chance < 0.97) {
          await subscribeAndGiveUp(channels, index);
        } else {
          await admin.client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']);
        }
        if (random.next() < 0.2) await sleep(random.integer(0, 5));
      };

      for (let taken = 0; taken < STEPS; taken++) await step();
      for (const { code } of await Promise.all(outcomes)) expect(code).toBe('ok');
      const publishAll = () => Promise.all(CHANNELS.map((name) => admin.client.publish(name, 'x')));
      await until(async () => {
        const counts = await publishAll();
        return CHANNELS.every((name, at) => counts[at]! > 0 === model.listeners(name).size > 0);
      });
      heard = new Set();
      await publishAll();
      await until(() => heard.size >= model.pairs.length);
      expect([...heard].sort()).toEqual(model.pairs);
      const known = [...redis.getPubSubListeners('CHANNELS')].flatMap(([name, { strings }]) =>
        [...strings].map((listener) => `${listeners.indexOf(listener as never)} ${name}`),
      );
      expect(known.sort()).toEqual(model.pairs);
    });
  });
}
