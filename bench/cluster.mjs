// Three nodes without replicas, with the keys of the workloads, for the clients that know a cluster.

import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { startPrivateServer } from '../build/scripts/redis-server.js';
import { openFloor } from './floor.mjs';
import { KEYS, VALUE } from './workloads.mjs';

const run = promisify(execFile);
const NODES = 3;
const READY_MS = 15_000;

export async function startCluster() {
  const servers = [];
  const stop = () => Promise.all(servers.map((server) => server.stop()));
  try {
    for (let node = 0; node < NODES; node++) {
      servers.push(await startPrivateServer({ args: ['--cluster-enabled', 'yes'] }));
    }
    const addresses = servers.map(({ host, port }) => `${host}:${port}`);
    await run('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes']);
    for (const { port } of servers) await untilReady(port);
    for (const { port } of servers) await setKeys(port);
  } catch (error) {
    await stop();
    throw error;
  }
  return { servers, port: servers[0].port, stop };
}

async function untilReady(port) {
  const floor = openFloor(port);
  const deadline = performance.now() + READY_MS;
  while (!String(await floor.send(['CLUSTER', 'INFO'])).includes('cluster_state:ok')) {
    if (performance.now() > deadline) throw new Error('The cluster did not become ready.');
    await sleep(50);
  }
  floor.close();
}

/** Each node takes its own keys and sends the others away. */
async function setKeys(port) {
  const floor = openFloor(port);
  const sets = Array.from({ length: KEYS }, (_, key) => floor.send(['SET', `key:${key}`, VALUE]));
  await Promise.allSettled(sets);
  floor.close();
}
