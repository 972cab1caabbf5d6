// Ends that other clients got wrong, as their users reported: a client that is closed while it
// blocks, reconnects or waits for an answer that does not come. Every promise settles.

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { outcomeOf } from '../support/outcome.js';
import { describeEachPrivateServer } from '../support/servers.js';
import { until } from '../support/until.js';
import { newKey, openPool } from './pools.js';

const PROMPT_MS = 1_000;
const nothing = () => undefined;

describeEachPrivateServer('a client', (server) => {
  test('that blocks while its server restarts is told, and blocks again', async () => {
    await using pool = openPool(server());
    const worker = pool.client.duplicate();
    const key = newKey('jobs');
    const errors: string[] = [];
    let job: unknown;
    const work = (async () => {
      while (job === undefined) {
        const { value, code } = await outcomeOf(worker.blPop(key, 0));
        if (code === 'ok') job = value;
        else errors.push(code);
      }
    })();
    await until(() => pool.status().connections.leased === 1);
    await server().restart();
    await until(() => errors.length > 0 && pool.status().connections.leased === 1, 10_000);
    expect(errors[0]).toBe('OUTCOME_UNKNOWN');
    expect(await pool.client.rPush(key, 'after')).toBe(1);
    await work;
    expect(job).toEqual({ key, element: 'after' });
  });

  test('that is ended while its blocked connection is being replaced settles everything', async () => {
    for (const end of ['close', 'destroy'] as const) {
      const pool = openPool(server());
      const worker = pool.client.duplicate();
      await worker.ping();
      const popped = outcomeOf(worker.blPop('jobs', 0));
      const subscribed = outcomeOf(worker.subscribe('a', nothing));
      await until(() => pool.status().connections.leased === 2);
      await server().kill();
      await sleep(50);
      const again = [
        outcomeOf(worker.blPop('jobs', 0)),
        outcomeOf(worker.subscribe('b', nothing)),
        outcomeOf(worker.unsubscribe('a')),
      ];
      const ended = outcomeOf(Promise.resolve(worker[end]()));
      expect((await ended).tookMs).toBeLessThan(PROMPT_MS);
      await Promise.all([popped, subscribed, ...again]);
      expect((await outcomeOf(pool.close())).code).toBe('ok');
      await server().restart();
    }
  });

  test('that is closed while SUBSCRIBE and UNSUBSCRIBE have no answer does not wait for it', async () => {
    await using pool = openPool(server());
    const redis = pool.client.duplicate();
    await redis.subscribe('a', nothing);
    server().pause();
    const asked = [
      outcomeOf(redis.subscribe('b', nothing)),
      outcomeOf(redis.unsubscribe('a')),
      outcomeOf(redis.monitor(nothing)),
    ];
    await sleep(20);
    const closed = await outcomeOf(redis.close());
    expect(closed.tookMs).toBeLessThan(PROMPT_MS);
    const codes = (await Promise.all(asked)).map(({ code }) => code);
    expect(codes).toEqual(['POOL_CLOSED', 'ok', 'POOL_CLOSED']);
    server().resume();
    await until(async () => (await pool.client.publish('a', 'x')) === 0);
  });

  test('that quits while it reads a stream for ever is done at once', async () => {
    await using pool = openPool(server());
    const redis = pool.client.duplicate();
    const read = outcomeOf(
      redis.sendCommand(['XREAD', 'BLOCK', '0', 'STREAMS', 'stream', '$']) as Promise<unknown>,
    );
    await until(() => pool.status().connections.leased === 1);
    const quit = await outcomeOf(redis.quit());
    expect([quit.value, quit.tookMs < PROMPT_MS]).toEqual(['OK', true]);
    expect((await read).code).toBe('POOL_CLOSED');
  });

  test('without a listener for errors survives the loss of what it subscribed with', async () => {
    await using pool = openPool(server());
    const heard: string[] = [];
    await pool.client.subscribe('quiet', (message) => heard.push(message));
    await pool.client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']);
    await until(async () => (await pool.client.publish('quiet', 'x')) === 1);
    await until(() => heard.length > 0);
  });

  test('that is too slow for the server is dropped by it, and subscribes again', async () => {
    await using pool = openPool(server());
    await using admin = openPool(server());
    await admin.client.configSet('client-output-buffer-limit', 'pubsub 1mb 1mb 1');
    const trouble: Error[] = [];
    pool.client.on('error', (error) => trouble.push(error));
    const heard = new Set<string>();
    await pool.client.subscribe('flood', (message) => heard.add(message.slice(0, 4)));
    const text = 'x'.repeat(4 * 1024 * 1024);
    // In one transaction, so that nothing is read in between.
    const flood = admin.client.multi();
    for (let index = 0; index < 8; index++) flood.publish('flood', text);
    await flood.exec();
    await until(() => trouble.length > 0);
    await until(async () => (await admin.client.publish('flood', 'then')) === 1);
    await until(() => heard.has('then'));
  });
});
