// A worker that waits for jobs with BLPOP. Blocking commands lease a connection by themselves, so
// that ordinary commands of the same client go on undisturbed; an AbortSignal ends the wait.

import { createPool } from 'plimsoll';

const pool = createPool();
const redis = pool.client;
const stopping = new AbortController();

async function work(): Promise<void> {
  const waiting = redis.withAbortSignal(stopping.signal);
  while (!stopping.signal.aborted) {
    try {
      const job = await waiting.blPop('jobs', 0);
      if (job !== null) console.log('worked on', job.element);
    } catch (error) {
      if ((error as Error).name !== 'AbortError') throw error;
    }
  }
}

const worker = work();
for (const job of ['paint', 'caulk', 'sail']) await redis.rPush('jobs', job);
while ((await redis.lLen('jobs')) > 0) await new Promise((resolve) => setTimeout(resolve, 10));

stopping.abort();
await worker;
console.log('stopped');
await pool.close();
