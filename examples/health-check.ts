// For a readiness probe: `healthCheck()` asks the server, `status()` costs nothing and asks nobody.

import { createPool } from 'plimsoll';

const pool = createPool();
pool.on('evict', ({ connectionId, reason }) =>
  console.log(`connection ${connectionId}: ${reason}`),
);
pool.on('connectError', (error) => console.error(error.code, error.message));

const report = await pool.healthCheck();
console.log('healthy:', report.healthy, 'connections asked:', report.checkedConnections);

const { state, utilizationPercent, connections, counters } = pool.status();
console.log({ state, utilizationPercent, max: connections.max, errors: counters.connectionErrors });

await pool.close();
