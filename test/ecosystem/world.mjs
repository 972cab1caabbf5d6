// What one check gets: a private server, a client of the kind that is tried, and more of both where
// it asks for them. All of it ends with the check.

import { setTimeout as sleep } from 'node:timers/promises';
import { startPrivateServer } from '../../build/scripts/redis-server.js';
import { CLIENTS } from './clients.mjs';

const POLL_MS = 5;

export class World {
  #kind;
  #endings = [];

  constructor(kind, server) {
    this.#kind = CLIENTS[kind];
    this.server = server;
  }

  /** Opens the client that most checks need and empties the server. */
  async begin() {
    this.client = await this.open();
    await this.client.flushAll();
  }

  /** Another client, as another process of the application would have it. */
  async open(options = {}, { url } = this.server) {
    const client = await this.#kind.open(url, options);
    this.atEnd(() => this.#kind.close(client));
    return client;
  }

  async startServer() {
    const server = await startPrivateServer();
    this.atEnd(() => server.stop());
    return server;
  }

  /** @param end Runs when the check is over, before what was put here earlier. */
  atEnd(end) {
    this.#endings.unshift(end);
  }

  async end() {
    for (const end of this.#endings.splice(0)) await end();
  }
}

/** Settles when `condition` answers true. @throws Error that shows the condition. */
export async function until(condition, withinMs = 5_000) {
  const deadline = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > deadline) {
      throw new Error(`Not within ${withinMs} ms: ${condition.toString()}`);
    }
    await sleep(POLL_MS);
  }
}

/** Calls `use` with the URL of an HTTP server that answers as `app` says. */
export async function withHttp(app, use) {
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    return await use(`http://127.0.0.1:${server.address().port}/`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
