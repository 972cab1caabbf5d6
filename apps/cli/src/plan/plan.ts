// The plan as plain figures: what the report prints and `--json` gives. Pure but for the simulation.

import { type CheckoutPlan, planCheckout } from './checkout.js';
import type { CheckoutFigures } from './checkout-run.js';
import type { Costs } from './costs.js';
import { type Demand, type Rates, ratesOf } from './demand.js';
import type { PlanOptions } from './flags.js';
import { type LanesPlan, planLanes } from './lanes.js';
import { planRedis, type RedisPlan } from './redis.js';
import { planScale, type ScaleRow, scaleSteps } from './scale.js';
import { simulateCheckouts } from './simulate.js';

export interface Plan {
  readonly demand: Demand;
  readonly rates: Rates;
  readonly costs: Costs;
  readonly checkout: CheckoutPlan;
  /** The checkout queue by the pool's own code; or why there is none. */
  readonly simulation: CheckoutFigures | { readonly leftOut: string };
  readonly lanes: LanesPlan;
  readonly redis: RedisPlan;
  readonly scale: readonly ScaleRow[];
}

/** Calls that are simulated, if so many come within the time that is simulated at most. */
const MOST_CALLS = 20_000;
const FEWEST_CALLS = 200;
const SIMULATED_SECONDS = 300;
/** Beyond that many connections a simulation takes longer than anybody wants to wait. */
const MOST_SIMULATED_CONNECTIONS = 1_000;

export async function makePlan(options: PlanOptions, costs: Costs): Promise<Plan> {
  const { demand, holders, hardware, environment, connections, acquireTimeoutMs } = options;
  const checkout = planCheckout(demand, { environment, total: connections, acquireTimeoutMs });
  const lanes = planLanes(demand, holders, costs);
  const used = lanes.connectionsPerWorker * demand.workers;
  return {
    demand,
    rates: ratesOf(demand),
    costs,
    checkout,
    simulation: await simulated(options, checkout),
    lanes,
    redis: planRedis(demand, lanes.commandsPerBatch, used, costs),
    scale: scaleSteps(demand.users, options.scaleTo).map((users) =>
      planScale(users, demand, costs, hardware),
    ),
  };
}

async function simulated(
  options: PlanOptions,
  checkout: CheckoutPlan,
): Promise<Plan['simulation']> {
  const { connectionsPerWorker, queue } = checkout;
  if (!options.isSimulated) return { leftOut: '--no-simulation' };
  if (queue.utilization >= 1) return { leftOut: 'the queue grows without end' };
  if (connectionsPerWorker > MOST_SIMULATED_CONNECTIONS) {
    return { leftOut: `more than ${MOST_SIMULATED_CONNECTIONS} connections in a worker` };
  }
  const { requestMs } = options.demand;
  const { callsPerWorker } = ratesOf(options.demand);
  const calls = Math.min(MOST_CALLS, Math.ceil(callsPerWorker * SIMULATED_SECONDS));
  return simulateCheckouts(
    {
      connections: connectionsPerWorker,
      callsPerSecond: callsPerWorker,
      holdMs: requestMs,
      calls: Math.max(FEWEST_CALLS, calls),
      acquireTimeoutMs: options.acquireTimeoutMs,
    },
    options.seed,
  );
}
