// A report with something in each of its parts, and markup in every text that comes from outside.

import { MetricsPoll } from '../../src/metrics-poll.js';
import { checkOptions } from '../../src/options.js';
import { composeReport } from '../../src/report/compose-report.js';
import type { LoadReport } from '../../src/report/load-report.js';
import { Ledger } from '../../src/stats/ledger.js';
import { constant, defineUser } from '../../src/user-class.js';

const MARKUP = '<img src=x onerror="globalThis.injected=1"></script><script>injected=1</script>';
const SECONDS = 60;

export function exampleReport(): LoadReport {
  const userClass = defineUser({
    name: `Example ${MARKUP}`,
    waitMs: constant(1),
    tasks: [{ name: MARKUP, weight: 3, run: async () => {} }],
  });
  const ledger = new Ledger(0, 1);
  const metrics = new MetricsPoll(undefined);
  for (let second = 0; second < SECONDS; second += 1) {
    const latenciesUs = Uint32Array.from({ length: 50 }, (_, index) => 1000 * (index + second));
    ledger.add(0, {
      type: 'window',
      startMs: second * 1000,
      endMs: second * 1000 + 1000,
      users: Math.min(100, second * 10),
      steady: second > 10,
      backlog: 0,
      afterSteady: false,
      revision: 0,
      aborted: 0,
      unfinished: 0,
      reconnects: 0,
      health: { cpuPercent: 99, loopLagP99Ms: 1, loopLagMaxMs: 2, memoryBytes: 1e8 },
      rows: [{ method: 'GET', name: MARKUP, latenciesUs, failures: 1, bytes: 100, late: false }],
      failures: [{ method: 'GET', name: MARKUP, error: MARKUP, count: 1 }],
      exceptions: [{ message: MARKUP, traceback: MARKUP, count: 1 }],
    });
    ledger.closeSecond(second * 1000 + 1000);
    metrics.samples.push({
      timeMs: second * 1000,
      poolUtilizationPercent: second === 30 ? null : second,
      residentMemoryBytes: 1e8 + second * 1e5,
    });
  }
  const options = checkOptions({
    userClass: 'AuthenticationLoadTest',
    host: 'http://127.0.0.1:1',
    thresholds: ['p95<500', 'fail%<1'],
  });
  return composeReport({
    startMs: 0,
    endMs: SECONDS * 1000,
    endReason: 'run-time',
    ledger,
    metrics,
    notes: [MARKUP],
    options,
    userClasses: [userClass],
  });
}
