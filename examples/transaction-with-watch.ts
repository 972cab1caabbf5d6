// Optimistic locking: WATCH needs a connection that nobody else uses, so it runs on a lease. When
// somebody changes the stock between the read and EXEC, exec() rejects with WatchError and the
// purchase is tried again.

import { createPool, WatchError } from 'plimsoll';

const TRIES = 20;

const pool = createPool();
await pool.client.mSet({ stock: '10', sold: '0' });

async function buyOne(): Promise<boolean> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    try {
      return await pool.withLease(async (redis) => {
        await redis.watch('stock');
        const stock = Number(await redis.get('stock'));
        if (stock === 0) return false; // The lease undoes WATCH on its way back.
        await redis.multi().decr('stock').incr('sold').exec();
        return true;
      });
    } catch (error) {
      if (!(error instanceof WatchError)) throw error;
    }
  }
  return false;
}

const bought = await Promise.all(Array.from({ length: 15 }, () => buyOne()));
console.log('bought:', bought.filter(Boolean).length);
console.log('left:', await pool.client.get('stock'), 'sold:', await pool.client.get('sold'));

await pool.client.del(['stock', 'sold']);
await pool.close();
