// The same service on other clients, for comparison only: each driver gets the same users, driven
// the same way, on the same server, one after the other and round again, so that a slow minute of
// the machine doesn't count against one of them.

import { drive } from './drive.js';
import { comparedPhase } from './phases.js';
import type { Section } from './report.js';
import { DRIVER_NAMES, DRIVERS, type Driver } from './service.js';
import type { Stage } from './stage.js';
import type { PhaseResult } from './verdict.js';
import { warmUp } from './warm-up.js';

export const COMPARE_TITLE = 'compared with other clients';
const ROUNDS = 2;

export async function compareDrivers(stage: Stage, scale: number): Promise<Section> {
  const phase = comparedPhase(scale);
  const seconds = phase.seconds.short;
  const results = new Map<Driver, PhaseResult[]>(DRIVERS.map((driver) => [driver, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const driver of DRIVERS) {
      const service = await stage.startService({ driver });
      try {
        await warmUp(service, scale);
        results.get(driver)!.push((await drive(stage, service, phase, { seconds })).result);
      } finally {
        await service.stop();
      }
    }
  }
  return {
    title: COMPARE_TITLE,
    how: `stress phase, ${ROUNDS} rounds of ${seconds} s each after a warm-up, interleaved; means of the rounds`,
    rows: [],
    details: [
      {
        title: 'Store drivers',
        columns: ['driver', 'requests/s', 'p50 ms', 'p95 ms', 'p99 ms', 'failures'],
        rows: DRIVERS.map((driver) => cells(DRIVER_NAMES[driver], results.get(driver)!)),
      },
    ],
    notes: [
      'The stress phase judges the product; these shorter rounds only compare.',
      'The load is the same for all, so throughput differs only where a driver cannot keep up; ' +
        'most of a request is HTTP and signatures, not Redis.',
    ],
  };
}

function cells(name: string, results: readonly PhaseResult[]): string[] {
  const mean = (read: (result: PhaseResult) => number) =>
    results.reduce((sum, result) => sum + read(result), 0) / results.length;
  return [
    name,
    mean(({ throughput }) => throughput).toFixed(0),
    mean(({ p50Ms }) => p50Ms).toFixed(1),
    mean(({ p95Ms }) => p95Ms).toFixed(1),
    mean(({ p99Ms }) => p99Ms).toFixed(1),
    String(results.reduce((sum, { failures }) => sum + failures, 0)),
  ];
}
