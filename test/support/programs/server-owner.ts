// Run as a child process by the test of the crash case: starts a private server, says which,
// and stays until it is killed.

import { type ServerKind, startPrivateServer } from '../../../scripts/redis-server.js';

// Arguments: the kind of server, and whether it shall be `running` or `paused`.
const [kind, state] = process.argv.slice(3) as [ServerKind, string];
const server = await startPrivateServer({ server: kind });
if (state === 'paused') server.pause();
process.stdout.write(`${JSON.stringify({ pid: server.pid, folder: server.folder })}\n`);
setInterval(() => undefined, 60_000);
