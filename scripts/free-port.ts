// Free TCP ports of 127.0.0.1 for servers that must come back on the same port.
// They lie below the range from which systems take ports for outgoing connections: a client
// that redials a dead port inside that range can be given the same port and connect to itself.

import { randomInt } from 'node:crypto';
import net from 'node:net';

const LOWEST_PORT = 20_000;
const HIGHEST_PORT = 32_000;
const MAX_TRIES = 100;

/**
 * A port that nobody listens on now. Somebody else may take it before the caller does, so the
 * caller has to be ready to ask again.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const port = randomInt(LOWEST_PORT, HIGHEST_PORT);
    if (await canListen(port)) return port;
  }
  throw new Error(
    `No free port of 127.0.0.1 in ${MAX_TRIES} tries between ${LOWEST_PORT} and ${HIGHEST_PORT}.`,
  );
}

/** Whether nobody listens on the port of 127.0.0.1 now. */
export function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1' }, () => server.close(() => resolve(true)));
  });
}
