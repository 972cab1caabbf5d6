// How many clients a worker takes. Node's own limit hands a connection that is one too many back to
// the primary, which gives it to the next worker, and when all are full round and round without end;
// so this one closes it.

import type { Server, Socket } from 'node:net';
import { Counter, Gauge, type Registry } from 'prom-client';

/** Must be called before the server listens. */
export function limitConnections(server: Server, limit: number, registry: Registry): void {
  const open = new Gauge({
    name: 'http_connections_open',
    help: 'Connections of clients.',
    registers: [registry],
  });
  const refused = new Counter({
    name: 'http_connections_refused_total',
    help: 'Connections that were closed at once, as there were AUTH_MAX_CONNECTIONS.',
    registers: [registry],
  });
  let count = 0;
  // Before HTTP's own listener, which then finds a socket that has ended.
  server.prependListener('connection', (socket: Socket) => {
    if (count >= limit) {
      refused.inc();
      socket.destroy();
      return;
    }
    open.set(++count);
    socket.once('close', () => open.set(--count));
  });
}
