// One library on one client, in a process of its own, so that what hangs, throws into the void or
// ends the process fails its own row and no other. Arguments: the case and the client.
// Tells its parent the outcome of each check.

import { startPrivateServer } from '../../build/scripts/redis-server.js';
import { World } from './world.mjs';

const CHECK_TIMEOUT_MS = 30_000;

const [name, kind] = process.argv.slice(2);
const { default: library } = await import(`./cases/${name}.mjs`);

/** Errors that reached nobody while the check ran. */
let strays = [];
process.on('unhandledRejection', (error) => strays.push(error));
process.on('uncaughtException', (error) => strays.push(error));

const server = await startPrivateServer();
for (const [title, check] of Object.entries(library.checks)) {
  process.send({ title, problem: await problemOf(check) });
}
await server.stop();
process.exit();

async function problemOf(check) {
  strays = [];
  const world = new World(kind, server);
  let timer;
  const tooLong = new Promise((_, reject) => {
    const error = new Error(`not done within ${CHECK_TIMEOUT_MS} ms`);
    timer = setTimeout(() => reject(error), CHECK_TIMEOUT_MS);
  });
  try {
    if (!server.running) await server.restart();
    await Promise.race([world.begin().then(() => check(world)), tooLong]);
    await Promise.race([world.end(), tooLong]);
    if (strays.length > 0) throw strays[0];
    return undefined;
  } catch (error) {
    await Promise.race([world.end().catch(() => undefined), tooLong]).catch(() => undefined);
    return textOf(error);
  } finally {
    clearTimeout(timer);
  }
}

function textOf(error) {
  const { code, message = String(error), stack = '' } = error ?? {};
  const place = /[\w-]+\.mjs:\d+/.exec(stack)?.[0];
  return [code, message.split('\n').slice(0, 6).join(' '), place && `(${place})`]
    .filter(Boolean)
    .join(' ');
}
