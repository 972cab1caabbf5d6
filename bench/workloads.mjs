// What the clients have to do. A workload's `operation` is one call of one caller; the same seeded
// choices for every client. The keys that `run.mjs` prepares: key:N has 100 B, big:N 64 KiB, hash:N
// ten fields.

export const KEYS = 1_000;
export const BIG_KEYS = 10;
export const HASH_KEYS = 100;
export const VALUE = 'x'.repeat(100);
export const BIG_VALUE = 'x'.repeat(64 * 1024);
const TEN = Array.from({ length: 10 }, (_, index) => index);
const FIVE = Array.from({ length: 5 }, (_, index) => index);

/** mulberry32: small, seeded, the same in each process. */
function seededRandom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const NAMES = Array.from({ length: KEYS }, (_, index) => `key:${index}`);
let next = 0;
const anyKey = () => {
  next = (next + 7) % KEYS;
  return NAMES[next];
};

async function get(client) {
  const value = await client.get(anyKey());
  if (value.length !== VALUE.length) throw new Error('GET answered a wrong value');
}

async function mGet(client) {
  const values = await client.mGet(TEN.map(anyKey));
  if (values[9].length !== VALUE.length) throw new Error('MGET answered a wrong value');
}

async function multi(client) {
  const replies = await client.multi(FIVE.map(anyKey));
  if (replies.length !== 5) throw new Error('EXEC answered a wrong number of replies');
}

const random = seededRandom(20_260_101);

/** 60 % GET, 20 % SET, 10 % MGET of 10, 9 % HGETALL of 10 fields, 1 % GET of 64 KiB. */
async function mix(client) {
  const draw = random();
  if (draw < 0.6) return get(client);
  if (draw < 0.8) return client.set(anyKey(), VALUE);
  if (draw < 0.9) return mGet(client);
  if (draw < 0.99) return client.hGetAll(`hash:${next % HASH_KEYS}`);
  const value = await client.get(`big:${next % BIG_KEYS}`);
  if (value.length !== BIG_VALUE.length) throw new Error('GET answered a wrong value');
}

export const WORKLOADS = {
  'get-1': { title: 'GET 100 B, 1 caller', callers: 1, needs: 'get', operation: get },
  'get-50': { title: 'GET 100 B, 50 callers', callers: 50, needs: 'get', operation: get },
  'get-1000': { title: 'GET 100 B, 1,000 callers', callers: 1_000, needs: 'get', operation: get },
  'get-10000': {
    title: 'GET 100 B, 10,000 callers',
    callers: 10_000,
    // A pool that needs half a second for all of them would have no steady state in a short window.
    windowFactor: 2,
    needs: 'get',
    operation: get,
  },
  'cluster-get-1000': {
    title: 'GET 100 B from a cluster of 3 nodes, 1,000 callers',
    callers: 1_000,
    isOfCluster: true,
    needs: 'get',
    operation: get,
  },
  'set-1000': {
    title: 'SET 100 B, 1,000 callers',
    callers: 1_000,
    needs: 'set',
    operation: (client) => client.set(anyKey(), VALUE),
  },
  'mix-200': {
    title: 'Mix of GET, SET, MGET, HGETALL and 64 KiB values, 200 callers',
    callers: 200,
    needs: 'hGetAll',
    operation: mix,
  },
  'multi-100': {
    title: 'MULTI of 5 GET, 100 callers',
    callers: 100,
    needs: 'multi',
    operation: multi,
  },
  'cycle-1': {
    title: 'acquire + release without a command, 1 caller',
    callers: 1,
    needs: 'cycles',
    // The loop is the client's own, so that no wrapper around two short calls is measured.
    operationsPerCall: 1_000,
    operation: (client) => client.cycles(1_000),
  },
};
