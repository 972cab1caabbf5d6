// Queues whose workers wait with blocking commands on duplicates.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { FlowProducer, Queue, QueueEvents, Worker } from 'bullmq';
import { until } from '../world.mjs';

const NAME = 'jobs';
const MOST_CLOSE_MS = 2_000;

/** Whatever is made here tells errors to nobody and is closed with the check. */
function rig(world, connection = world.client) {
  const kept = (made) => {
    made.on('error', () => undefined);
    world.atEnd(() => made.close().catch(() => undefined));
    return made;
  };
  return {
    queue: (name = NAME) => kept(new Queue(name, { connection })),
    worker: (process, options = {}) => {
      const { name = NAME, ...rest } = options;
      return kept(new Worker(name, process, { connection, ...rest }));
    },
    events: async (name = NAME) => {
      const events = kept(new QueueEvents(name, { connection }));
      await events.waitUntilReady();
      return events;
    },
    flows: () => kept(new FlowProducer({ connection })),
  };
}

export default {
  packages: ['bullmq'],
  use: "new Queue('jobs', { connection: pool.client }), new Worker('jobs', work, { connection: pool.client })",
  holds: '1 a worker, 1 a QueueEvents',
  checks: {
    '200 jobs are worked once each, and their ends are told': async (world) => {
      const { queue, worker, events } = rig(world);
      const told = await events();
      const done = [];
      worker(async ({ data }) => done.push(data.number), { concurrency: 10 });
      const jobs = await queue().addBulk(
        Array.from({ length: 200 }, (_, number) => ({ name: 'job', data: { number } })),
      );
      await Promise.all(jobs.map((job) => job.waitUntilFinished(told)));
      assert.deepEqual(
        done.sort((a, b) => a - b),
        Array.from({ length: 200 }, (_, number) => number),
      );
    },
    'delayed, repeated and prioritised jobs': async (world) => {
      const { queue, worker } = rig(world);
      const jobs = queue();
      await jobs.pause();
      await jobs.add('late', {}, { priority: 2 });
      await jobs.add('first', {}, { priority: 1 });
      await jobs.add('delayed', {}, { delay: 300 });
      await jobs.upsertJobScheduler('often', { every: 200, limit: 3 }, { name: 'repeated' });
      const order = [];
      worker(async ({ name }) => order.push(name));
      await sleep(100);
      assert.deepEqual(order, []);
      await jobs.resume();
      await until(() => order.filter((name) => name === 'repeated').length >= 2);
      await until(() => order.includes('delayed'));
      assert.ok(order.indexOf('first') < order.indexOf('late'));
    },
    'a job that fails is tried again, and fails in the end': async (world) => {
      const { queue, worker, events } = rig(world);
      const told = await events();
      worker(async () => {
        throw new Error('leaks');
      });
      const options = { attempts: 3, backoff: { type: 'fixed', delay: 20 } };
      const jobs = queue();
      const job = await jobs.add('job', {}, options);
      await assert.rejects(job.waitUntilFinished(told), /leaks/);
      assert.equal((await jobs.getJob(job.id)).attemptsMade, 3);
    },
    'a parent of a flow waits for its children': async (world) => {
      const { worker, flows, queue } = rig(world);
      const order = [];
      worker(async ({ name }) => order.push(name), { name: 'parts' });
      worker(async ({ name }) => order.push(name), { name: 'whole' });
      const parts = ['hull', 'mast'].map((name) => ({ name, queueName: 'parts' }));
      await flows().add({ name: 'ship', queueName: 'whole', children: parts });
      const whole = queue('whole');
      await until(async () => (await whole.getCompletedCount()) === 1);
      assert.equal(order.at(-1), 'ship');
      assert.equal(order.length, 3);
    },
    'getWorkers() finds them by their names': async (world) => {
      const { queue, worker } = rig(world);
      const jobs = queue();
      await worker(async () => undefined).waitUntilReady();
      await until(async () => (await jobs.getWorkers()).length === 1);
    },
    [`close() of a worker that waits takes at most ${MOST_CLOSE_MS} ms`]: async (world) => {
      const { worker } = rig(world);
      const idle = worker(async () => undefined);
      await idle.waitUntilReady();
      await sleep(200);
      const before = performance.now();
      await idle.close();
      const tookMs = performance.now() - before;
      assert.ok(tookMs <= MOST_CLOSE_MS, `${Math.round(tookMs)} ms`);
      assert.equal(await world.client.ping(), 'PONG');
    },
    'workers go on after a restart of Redis': async (world) => {
      const { queue, worker } = rig(world);
      const done = [];
      worker(async ({ name }) => done.push(name));
      const jobs = queue();
      await jobs.add('before', {});
      await until(() => done.includes('before'));
      await world.server.restart();
      await until(async () => (await jobs.add('after', {}).catch(() => undefined)) !== undefined);
      await until(() => done.includes('after'), 15_000);
    },
  },
};
