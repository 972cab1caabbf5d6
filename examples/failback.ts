// The same data in two places, one of which is used at a time: the healthy one of highest weight.
// Here it is sent away by hand for half a second, as for a restart, and comes back by itself.

import { once } from 'node:events';
import { createPool, PoolError } from 'plimsoll';

const addresses = process.env.REDIS_ENDPOINTS ?? 'redis://localhost:6379 redis://localhost:6380';
const [here = '', there = ''] = addresses.split(' ');

const pool = createPool({
  endpoints: [
    { id: 'here', url: here, weight: 2 },
    { id: 'there', url: there, weight: 1 },
  ],
  // By default an endpoint is checked every 5 s, and a better one is looked for every 2 minutes.
  failover: { checkIntervalMs: 1_000, failbackIntervalMs: 1_000 },
});
pool.on('failover', ({ from, to, reason }) => console.log(`${from} -> ${to} (${reason})`));
pool.on('endpointsDown', ({ error }) => console.error(error.message));

const redis = pool.client;
await redis.set('buoy', 'lit');

await pool.switchTo('there', { forMs: 500 });
// Nothing here copies data from one place to the other, so it is not there yet.
console.log('buoy:', await redis.get('buoy'));

await once(pool, 'failover');
console.log('buoy:', await redis.get('buoy'));

// A name that there is not, an endpoint that does not answer: the one in use stays in use.
const refused = await pool.switchTo('elsewhere').catch((error: PoolError) => error);
if (refused instanceof PoolError) console.log('elsewhere:', refused.code);
const { active, endpoints } = pool.status().failover ?? {};
console.log(
  'active:',
  active,
  'of',
  endpoints?.map(({ id, state }) => `${id} (${state})`).join(', '),
);

await pool.close();
