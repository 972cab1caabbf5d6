// What the three presets give a worker, and that the settings can be printed without secrets.

import { inspect } from 'node:util';
import { resolveOptions } from 'plimsoll';

for (const name of ['development', 'staging', 'production']) {
  const options = resolveOptions({}, { DEPLOYMENT_ENV: name, REDIS_PASSWORD: 'not shown' });
  const { environment, workers, maxConnections } = options;
  console.log(`${environment}: ${workers} workers x ${maxConnections} connections`);
}

const options = resolveOptions(
  {},
  {
    DEPLOYMENT_ENV: 'production',
    WEB_CONCURRENCY: '8',
    REDIS_MAX_CONNECTIONS: '400',
    REDIS_URL: 'redis://worker:hush@redis.example:6380/2',
  },
);
console.log(`8 workers share 400 connections: ${options.maxConnections} each`);
console.log(inspect(options.target));
