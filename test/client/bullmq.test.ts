// BullMQ runs on pool.client: its adapter for node-redis takes it as it is. Names of workers, jobs that
// wait blocked, ends that are quick, and losses in the middle are what a shared pool gets wrong first.

import { setTimeout as sleep } from 'node:timers/promises';
import {
  createNodeRedisClient,
  FlowProducer,
  type Job,
  Queue,
  QueueEvents,
  Worker,
  type WorkerOptions,
} from 'bullmq';
import { expect, test } from 'vitest';
import type { Pool } from '../../src/index.js';
import { describeEachPrivateServer } from '../support/servers.js';
import { until } from '../support/until.js';
import { openPool } from './pools.js';

const QUICK_MS = 500;
const AGAIN_MS = 15_000;

/** All that one test makes of BullMQ on a pool, to be closed at its end. */
class Jobs {
  readonly done: string[] = [];
  readonly errors: Error[] = [];
  readonly queue: Queue;
  readonly #connection: ReturnType<typeof createNodeRedisClient>;
  readonly #open: { close(): Promise<unknown> }[] = [];

  constructor(pool: Pool, name: string) {
    this.#connection = createNodeRedisClient(pool.client);
    this.queue = this.#kept(new Queue(name, this.#options));
  }

  get #options() {
    return { connection: this.#connection };
  }

  worker(options: Partial<WorkerOptions> = {}): Worker {
    const run = async (job: Job) => {
      this.done.push(`${job.name}:${job.data.value}`);
      if (job.name === 'fails') throw new Error('as it should');
      return job.data.value;
    };
    return this.#kept(new Worker(this.queue.name, run, { ...this.#options, ...options }));
  }

  events(): QueueEvents {
    return this.#kept(new QueueEvents(this.queue.name, this.#options));
  }

  flows(): FlowProducer {
    return this.#kept(new FlowProducer(this.#options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#open.reverse()) await one.close();
  }

  #kept<
    T extends { close(): Promise<unknown>; on(event: 'error', f: (e: Error) => void): unknown },
  >(one: T): T {
    one.on('error', (error) => this.errors.push(error));
    this.#open.push(one);
    return one;
  }
}

async function tookMs(promise: Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await promise;
  return performance.now() - startedAt;
}

describeEachPrivateServer('BullMQ on pool.client', (server) => {
  test('queues, delays, repeats, retries, tells of jobs and runs flows', async () => {
    await using pool = openPool(server());
    await using jobs = new Jobs(pool, 'all');
    const { queue, done } = jobs;
    const events = jobs.events();
    jobs.worker({ concurrency: 4 });
    await events.waitUntilReady();

    const job = await queue.add('plain', { value: 1 });
    expect(await job.waitUntilFinished(events, 5_000)).toBe(1);

    const delayed = await queue.add('delayed', { value: 2 }, { delay: 150 });
    expect(await delayed.isDelayed()).toBe(true);
    expect(await delayed.waitUntilFinished(events, 5_000)).toBe(2);

    await queue.upsertJobScheduler('tick', { every: 100 }, { name: 'tick', data: { value: 't' } });
    await until(() => done.filter((name) => name === 'tick:t').length >= 2);
    expect(await queue.removeJobScheduler('tick')).toBe(true);

    const failed = await queue.add('fails', { value: 3 }, { attempts: 2, backoff: 10 });
    await expect(failed.waitUntilFinished(events, 5_000)).rejects.toThrow('as it should');
    expect(done.filter((name) => name === 'fails:3')).toHaveLength(2);

    const { job: parent } = await jobs.flows().add({
      name: 'parent',
      queueName: queue.name,
      data: { value: 'p' },
      children: [1, 2].map((value) => ({ name: 'child', queueName: queue.name, data: { value } })),
    });
    expect(await parent.waitUntilFinished(events, 5_000)).toBe('p');
    expect(Object.values(await parent.getChildrenValues()).sort()).toEqual([1, 2]);

    await queue.addBulk(
      Array.from({ length: 200 }, (_, value) => ({ name: 'bulk', data: { value } })),
    );
    await until(() => done.filter((name) => name.startsWith('bulk:')).length === 200);
    expect(jobs.errors).toEqual([]);
  });

  test('sees workers by name; each holds a connection, and gives it back at once', async () => {
    await using pool = openPool(server());
    await using jobs = new Jobs(pool, 'ends');
    const { leased } = { leased: () => pool.status().connections.leased };
    const [first, second] = [jobs.worker({ name: 'first' }), jobs.worker({ name: 'second' })];
    await Promise.all([first.waitUntilReady(), second.waitUntilReady()]);
    await until(async () => (await jobs.queue.getWorkers()).length === 2);
    expect((await jobs.queue.getWorkers()).map(({ rawname }) => rawname)).toEqual(
      expect.arrayContaining([expect.stringMatching(/first$/), expect.stringMatching(/second$/)]),
    );
    await until(() => leased() === 2);

    expect(await tookMs(first.pause())).toBeLessThan(QUICK_MS);
    first.resume();
    await jobs.queue.pause();
    await jobs.queue.resume();
    await jobs.queue.add('plain', { value: 'resumed' });
    await until(() => jobs.done.includes('plain:resumed'));

    expect(await tookMs(first.close())).toBeLessThan(QUICK_MS);
    await until(async () => (await jobs.queue.getWorkers()).length === 1);
    expect(await tookMs(second.close())).toBeLessThan(QUICK_MS);
    expect(leased()).toBe(0);
    expect(pool.client.isOpen).toBe(true);
    expect(jobs.errors).toEqual([]);
  });

  test('goes on after lost connections and a restart, and no job is lost', async () => {
    await using pool = openPool(server());
    await using jobs = new Jobs(pool, 'losses');
    const worker = jobs.worker();
    await worker.waitUntilReady();
    await until(async () => (await jobs.queue.getWorkers()).length === 1);
    await pool.client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']);
    await jobs.queue.add('plain', { value: 'killed' });
    await until(() => jobs.done.includes('plain:killed'), AGAIN_MS);

    await server().restart();
    await pool.client.connect();
    await jobs.queue.add('plain', { value: 'restarted' });
    await until(() => jobs.done.includes('plain:restarted'), AGAIN_MS);
    await until(async () => (await jobs.queue.getWorkers()).length === 1, AGAIN_MS);
    await sleep(200);
    expect(jobs.errors.length).toBeLessThan(50);
    expect(await tookMs(worker.close())).toBeLessThan(QUICK_MS);
  });
});
