// A primary that sentinels watch, and replicas that serve reads: REDIS_URL is
// redis-sentinel://sentinel-1:26379,sentinel-2:26379/mymaster. After a failover the pool goes on with
// the new primary; nothing in here has to know.

import { once } from 'node:events';
import { createPool } from 'plimsoll';

const pool = createPool({
  // Writes go to the primary; a replica may be behind what was just written.
  reads: 'prefer-replica',
  // How long commands wait for a primary before they are refused: failovers take seconds.
  breaker: { patienceMs: 10_000 },
});
const redis = pool.client;
const servers = () => pool.status().endpoints;

// Until the replicas are known the primary serves all.
while (!servers().some(({ role }) => role === 'replica')) await once(pool, 'topologyChange');
for (const { role } of servers()) console.log(role);

// Replication is asynchronous: what the primary alone has is lost with it. WAIT says how many
// replicas have it too; it is about what its own connection wrote, so it runs on a lease.
const copies = await pool.withLease(async (lease) => {
  await lease.set('harbour:light', 'green');
  return lease.wait(1, 1_000);
});
console.log('replicas that have it:', copies);
console.log('read:', await redis.get('harbour:light'));

// Where a read has to see the last write, it asks the primary: a transaction goes there, as leases do.
const [light] = await redis.multi().get('harbour:light').exec();
console.log('read from the primary:', light);

await redis.del('harbour:light');
await pool.close();
