// Loaded into each process of the service before anything else (`node --import`), for the comparison
// with what it replaces: gives each worker a store of its own, as if workers shared none.

import cluster from 'node:cluster';

/** Redis has 16 databases unless told otherwise; 0 is everybody's. */
const DATABASES = 15;

/** The database of a worker. @param id Of `cluster.worker`, from 1. */
export function databaseOf(id: number): number {
  return ((id - 1) % DATABASES) + 1;
}

export function withDatabase(redisUrl: string, database: number): string {
  const url = new URL(redisUrl);
  url.pathname = `/${database}`;
  return url.href;
}

const { REDIS_URL } = process.env;
if (cluster.worker !== undefined && REDIS_URL !== undefined) {
  process.env.REDIS_URL = withDatabase(REDIS_URL, databaseOf(cluster.worker.id));
}
