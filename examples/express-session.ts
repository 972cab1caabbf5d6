// Sessions of an Express application in Redis: connect-redis takes `pool.client` as it is.

import { RedisStore } from 'connect-redis';
import express from 'express';
import session from 'express-session';
import { createPool } from 'plimsoll';

declare module 'express-session' {
  interface SessionData {
    visits: number;
  }
}

const pool = createPool();
const app = express();
app.use(
  session({
    store: new RedisStore({ client: pool.client, prefix: 'session:' }),
    secret: process.env.SESSION_SECRET ?? 'only for this example',
    resave: false,
    saveUninitialized: false,
  }),
);
app.get('/', (request, response) => {
  request.session.visits = (request.session.visits ?? 0) + 1;
  response.json({ visits: request.session.visits });
});

const server = app.listen(0, '127.0.0.1', async () => {
  const { port } = server.address() as { port: number };
  const url = `http://127.0.0.1:${port}/`;
  const first = await fetch(url);
  console.log(await first.json());
  const cookie = first.headers.get('set-cookie')?.split(';')[0] ?? '';
  const second = await fetch(url, { headers: { cookie } });
  console.log(await second.json());
  server.closeAllConnections();
  server.close();
  await pool.close();
});
