// A Redis Cluster: REDIS_URL is redis-cluster://node-1:7000,node-2:7000. Commands go to the server of
// their keys by themselves; what has keys of several servers is cut, where that can be.

import { createPool, PoolError } from 'plimsoll';

const pool = createPool();
const redis = pool.client;

// Cut by slot: each server gets its part, and the replies are put together again.
await redis.mSet({ 'tide:high': '04:12', 'tide:low': '10:40', 'tide:turn': '07:26' });
console.log('tides:', await redis.mGet(['tide:high', 'tide:low', 'tide:turn']));
console.log('primaries:', pool.status().endpoints.filter(({ role }) => role === 'primary').length);

// A transaction is one server's, so that its keys need one slot: what stands in braces decides.
await redis.multi().set('{ship:7}:name', 'Plimsoll').incr('{ship:7}:visits').exec();
const crossing = await redis
  .multi()
  .incr('ship:7:visits')
  .incr('ship:8:visits')
  .exec()
  .catch((error: PoolError) => error);
if (crossing instanceof PoolError) console.log('two slots:', crossing.code);

// A lease is a connection to one server: the one of the key.
const visits = await pool.withLease(
  async (lease) => {
    await lease.watch('{ship:7}:visits');
    return lease.get('{ship:7}:visits');
  },
  { key: '{ship:7}:visits' },
);
console.log('visits:', visits);

// All keys of all servers, a page at a time.
const found: string[] = [];
for await (const page of redis.scanIterator({ MATCH: '*:[hltnv]*' })) found.push(...page);
console.log('keys:', found.sort().join(' '));

await redis.del(found);
await pool.close();
