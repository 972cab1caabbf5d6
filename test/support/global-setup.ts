// Runs once before all tests: whatever they need beyond Node and npm is there afterwards.

import { ensureOpenssl, ensureServer } from '../../scripts/redis-server.js';

export default async function setup(): Promise<void> {
  await ensureServer();
  await ensureOpenssl();
}
