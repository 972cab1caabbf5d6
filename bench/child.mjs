// One client on one workload, in a process of its own: its CPU time, memory and compiled code are
// nobody else's. Prints one line of JSON.

import { CLIENTS } from './clients.mjs';
import { WORKLOADS } from './workloads.mjs';

const [clientName, workloadName, port, warmUpMs, measureMs] = process.argv.slice(2);
const { callers, operation } = WORKLOADS[workloadName];
const client = await CLIENTS[clientName].open(Number(port));

/** Of many callers each times one operation in this many: the clock must not be the load. */
const SAMPLE_EVERY = callers === 1 ? 1 : 32;
/** Operations between two readings of the clock. */
const BATCH = workloadName === 'cycle-1' ? 1_000 : 1;

let operations = 0;
let errors = 0;
let isRunning = true;
let latencies = [];

async function caller(offset) {
  for (let turn = offset; isRunning; turn++) {
    const isTimed = turn % SAMPLE_EVERY === 0;
    const startedAt = isTimed ? performance.now() : 0;
    try {
      for (let index = 0; index < BATCH; index++) await operation(client);
      operations += BATCH;
    } catch {
      errors++;
    }
    if (isTimed) latencies.push((performance.now() - startedAt) / BATCH);
    // A caller that never waits for I/O would starve the timers below.
    if (BATCH > 1) await new Promise(setImmediate);
  }
}

for (let index = 0; index < callers; index++) void caller(index);
await sleep(Number(warmUpMs));
operations = 0;
latencies = [];
const cpuBefore = process.cpuUsage();
const startedAt = performance.now();
await sleep(Number(measureMs));
const cpu = process.cpuUsage(cpuBefore);
const elapsedMs = performance.now() - startedAt;
const measured = operations;
const memory = process.memoryUsage.rss();
isRunning = false;

latencies.sort((a, b) => a - b);
const percentile = (percent) =>
  latencies[Math.min(latencies.length - 1, Math.floor((latencies.length * percent) / 100))];
const result = {
  opsPerSecond: (measured / elapsedMs) * 1000,
  cpuMicroseconds: (cpu.user + cpu.system) / measured,
  p50: percentile(50),
  p99: percentile(99),
  memoryBytes: memory,
  errors,
};
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
