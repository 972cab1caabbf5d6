// Before anything is judged: traffic of the same kind, so that a service is measured as it runs for
// days and not as it runs in its first seconds, in which the engine still compiles it.

import { runLoad } from 'plimsoll-load';
import type { Service } from './service.js';
import { userClassFile } from './user-classes.js';

const USERS = 1_000;
const SPAWN_RATE = 200;
const SECONDS = 20;
/** About 1,500 requests/s when all users are there. */
const WAIT_SCALE = 0.125;

export async function warmUp(service: Service, scale = 1): Promise<void> {
  const users = Math.ceil(USERS * Math.min(1, scale));
  await runLoad({
    userClass: userClassFile('AuthenticationLoadTest'),
    host: service.url,
    users,
    spawnRate: SPAWN_RATE,
    runTimeMs: Math.ceil(SECONDS * 1000 * Math.min(1, Math.max(scale, 0.05))),
    usersFile: await service.provision(`warm${Date.now().toString(36)}`, users),
    waitScale: WAIT_SCALE,
  });
}
