// How full the pool is, and what follows from it: the alert, and with the option `autoscale` another
// maximum.

import type { Clock } from '../base/clock.js';
import type { CommandRoute } from '../base/route.js';
import type { ResolvedOptions } from '../config/options.js';
import type { Budget } from '../node/budget.js';
import { countInUse } from '../node/entry.js';
import { isAlertRaised, utilizationPercent } from '../policy/recommendations.js';
import type { PoolEvents } from './events.js';
import { type AutoscaleStatus, Growth } from './growth.js';
import type { Router } from './router.js';

export interface UtilizationHost {
  readonly budget: Budget;
  readonly router: Router;
  readonly clock: Clock;
  /** Uniform in [0, 1), to be told from other pools. */
  readonly random: () => number;
  readonly announce: <Name extends 'alert' | 'alertCleared' | 'autoscale'>(
    name: Name,
    ...facts: PoolEvents[Name]
  ) => void;
}

export class Utilization {
  isAlertRaised = false;
  readonly #host: UtilizationHost;
  readonly #growth: Growth | undefined;

  constructor({ autoscale }: ResolvedOptions, host: UtilizationHost) {
    this.#host = host;
    this.#growth = autoscale.ceiling === 0 ? undefined : growthOf(autoscale, host);
  }

  /** Changes the maximum, from which it then grows. */
  resize(max: number): void {
    this.#host.budget.resize(max);
    this.#growth?.startFrom(max);
  }

  /** The pool ends: its maximum stays as it is. */
  stopGrowing(): void {
    this.#growth?.stop();
  }

  autoscaleStatus(now: number): AutoscaleStatus | undefined {
    return this.#growth?.status(now);
  }

  /** Every 500 ms or so. */
  inspect(now: number): void {
    const { budget, router, announce } = this.#host;
    let [inUse, held, waiting] = [0, 0, 0];
    for (const { membership, waitingRoom } of router.nodes) {
      inUse += countInUse(membership.fleet.entries);
      held += membership.held;
      waiting += waitingRoom.length;
    }
    const percent = utilizationPercent(inUse, budget.max);
    const isRaised = isAlertRaised(this.isAlertRaised, percent);
    if (isRaised !== this.isAlertRaised) {
      this.isAlertRaised = isRaised;
      announce(isRaised ? 'alert' : 'alertCleared', { utilizationPercent: percent });
    }
    // One of three that nobody may lease is as good as taken to those who want one.
    const isExhausted = waiting > 0 && held >= budget.max;
    this.#growth?.inspect(isExhausted ? budget.max : inUse, now);
  }
}

function growthOf(options: ResolvedOptions['autoscale'], host: UtilizationHost): Growth {
  const { budget, router, announce, clock, random } = host;
  const growthHost = {
    get max() {
      return budget.max;
    },
    resize: (max: number) => budget.resize(max),
    reachable: () => router.serving.filter(({ membership }) => membership.fleet.size > 0),
    nodeFor: (route: CommandRoute) => router.nodeFor(route),
    announce: (decision: PoolEvents['autoscale'][0]) => announce('autoscale', decision),
  };
  const id = `${process.pid}-${Math.floor(random() * 2 ** 48).toString(36)}`;
  return new Growth(options, growthHost, id, clock.now());
}
