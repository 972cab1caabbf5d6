// The shortest way: the environment says where Redis is (REDIS_URL, REDIS_HOST, ...) and how large
// the pool may become (DEPLOYMENT_ENV). `pool.client` has the API of a node-redis client.

import { createPool } from 'plimsoll';

const pool = createPool();
const redis = pool.client;

await redis.set('greeting', 'ahoy', { EX: 60 });
console.log(await redis.get('greeting'));

// A thousand callers at once still share one or two connections.
await Promise.all(Array.from({ length: 1_000 }, () => redis.incr('visits')));
console.log('visits:', await redis.getDel('visits'));
console.log('connections opened:', pool.status().counters.opened);

await pool.close();
