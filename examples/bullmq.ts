// BullMQ on a pool: its adapter for node-redis takes `pool.client` as it is. Queues share the pool's
// lanes; each worker and each QueueEvents has one connection of its own while it is open.

import { createNodeRedisClient, Queue, QueueEvents, Worker } from 'bullmq';
import { createPool } from 'plimsoll';

const pool = createPool();
const connection = createNodeRedisClient(pool.client);

const queue = new Queue('deck', { connection });
const events = new QueueEvents('deck', { connection });
const worker = new Worker('deck', async (job) => `${job.name} is done`, {
  connection,
  name: 'bosun',
});
await Promise.all([events.waitUntilReady(), worker.waitUntilReady()]);

const scrub = await queue.add('scrub', {});
console.log(await scrub.waitUntilFinished(events));
const later = await queue.add('varnish', {}, { delay: 100 });
console.log(await later.waitUntilFinished(events));
console.log('workers:', (await queue.getWorkers()).length);
console.log('connections of their own:', pool.status().connections.leased);

await worker.close();
await events.close();
await queue.close();
console.log('left:', pool.status().connections.leased);
await pool.close();
