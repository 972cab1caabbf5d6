// One client on one workload, in a process of its own: its CPU time, memory and compiled code are
// nobody else's. It works only while the parent asks for a window, and is silent in between.
//
//   parent --{ settleMs, measureMs }--> child --{ figures, firstError }--> parent --'end'--> child

import { CLIENTS } from './clients.mjs';
import { WORKLOADS } from './workloads.mjs';

/** Of many callers each times one call in this many: the clock must not be the load. */
const SAMPLE_EVERY = 32;

const [clientName, workloadName, port] = process.argv.slice(2);
const { callers, needs, operation, operationsPerCall = 1, isOfCluster } = WORKLOADS[workloadName];
const sampleEvery = callers === 1 ? 1 : SAMPLE_EVERY;
const { open, openCluster } = CLIENTS[clientName];
/** A client that knows no cluster is left out of that workload. */
const openHere = isOfCluster ? (openCluster ?? (() => ({}))) : open;
const client = await openHere(Number(port));

let operations = 0;
let errors = 0;
let firstError;
let isRunning = false;
let latencies = [];

process.on('disconnect', () => process.exit(1));
process.on('message', async (message) => {
  if (message === 'end') process.exit(0);
  process.send(await measure(message));
});
process.send({ isCapable: client[needs] !== undefined });

async function caller(offset) {
  for (let turn = offset; isRunning; turn++) {
    const isTimed = turn % sampleEvery === 0;
    const startedAt = isTimed ? performance.now() : 0;
    try {
      await operation(client);
      operations += operationsPerCall;
      if (isTimed) latencies.push((performance.now() - startedAt) / operationsPerCall);
    } catch (error) {
      errors++;
      firstError ??= String(error);
      await nextTurn();
    }
    // A caller that never waits for I/O would starve the timers below.
    if (operationsPerCall > 1) await nextTurn();
  }
}

/** All callers run for `settleMs`, and then for the `measureMs` that count; errors always count. */
async function measure({ settleMs, measureMs }) {
  errors = 0;
  isRunning = true;
  const running = Array.from({ length: callers }, (_, index) => caller(index));
  await sleep(settleMs);
  operations = 0;
  latencies = [];
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  await sleep(measureMs);
  const cpu = process.cpuUsage(cpuBefore);
  const elapsedMs = performance.now() - startedAt;
  // Taken before the callers end, as what they still finish is outside the window.
  const timed = latencies.toSorted((a, b) => a - b);
  const figures = {
    opsPerSecond: (operations / elapsedMs) * 1000,
    cpuMicroseconds: (cpu.user + cpu.system) / operations,
    p50: percentile(timed, 50),
    p99: percentile(timed, 99),
    memoryBytes: process.memoryUsage.rss(),
  };
  isRunning = false;
  await Promise.all(running);
  if (operations === 0) throw new Error(`No operation succeeded; first error: ${firstError}`);
  return { figures: { ...figures, errors }, firstError };
}

/** `null` where no timed call ended within the window. */
function percentile(sorted, percent) {
  return sorted[Math.floor((sorted.length * percent) / 100)] ?? null;
}

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function nextTurn() {
  return new Promise(setImmediate);
}
