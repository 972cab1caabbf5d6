// The checkout queue once more, by the pool's own code on simulated time: the library as it is, with
// other timers and sockets, and a server that answers at once. The same seed gives the same figures.

import { createPool, type Pool } from 'plimsoll';
import { AnsweringServer } from '../simulated-time/answering-server.js';
import { Chance } from '../simulated-time/chance.js';
import { EventLoop } from '../simulated-time/event-loop.js';
import { intercept } from '../simulated-time/interception.js';
import { type Delays, Network } from '../simulated-time/network.js';
import {
  type CheckoutFigures,
  type CheckoutTerms,
  checkoutPoolOptions,
  runCheckouts,
} from './checkout-run.js';

const HOST = '10.0.0.1';
const PORT = 6_379;
const DELAYS: Delays = { leastMs: 0.03, mostMs: 0.05, slowShare: 0, slowMs: 0 };

/** @throws PoolError, or Error where the calls come to no end. */
export async function simulateCheckouts(
  terms: CheckoutTerms & { readonly acquireTimeoutMs: number },
  seed: number,
): Promise<CheckoutFigures> {
  const chance = new Chance(seed);
  const loop = new EventLoop(new Chance(chance.seed()));
  const network = new Network(loop, new Chance(chance.seed()), DELAYS, 0);
  network.listeners.set(`${HOST}:${PORT}`, new AnsweringServer());
  const putBack = intercept(loop, network, new Chance(chance.seed()));
  let figures: CheckoutFigures | undefined;
  let failure: unknown;
  const run = async () => {
    const pool = createPool(
      {
        ...checkoutPoolOptions(terms.connections),
        host: HOST,
        port: PORT,
        acquireTimeoutMs: terms.acquireTimeoutMs,
      },
      {},
    ) as Pool;
    const stage = {
      now: () => loop.now,
      at: (time: number, act: () => void) => loop.happensAt(time, () => loop.input(act)),
    };
    figures = await runCheckouts(pool, terms, stage, new Chance(seed));
    await pool.close({ timeoutMs: 0 });
  };
  try {
    let isOver = false;
    void run()
      .catch((error: unknown) => {
        failure = error;
      })
      .finally(() => {
        isOver = true;
      });
    await loop.run(() => isOver);
  } finally {
    putBack();
  }
  if (figures === undefined) throw failure ?? new Error('The simulated calls came to no end');
  return figures;
}
