// All faults, in the order in which they run.

import type { Fault } from './fault.js';
import { callerFaults } from './faults/callers.js';
import { clusterFaults } from './faults/cluster.js';
import { networkFaults } from './faults/network.js';
import { sentinelFaults } from './faults/sentinel.js';
import { serverFaults } from './faults/server.js';

export const CATALOGUE: readonly Fault[] = [
  ...serverFaults,
  ...networkFaults,
  ...callerFaults,
  ...sentinelFaults,
  ...clusterFaults,
];
