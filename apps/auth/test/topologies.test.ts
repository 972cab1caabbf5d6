// The service where a replica takes over: on a cluster and behind sentinels, by their address alone.
// What a user may do, he does before, during and after a failover; nothing that a replica had is lost,
// and what was ended stays ended.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PrivateServer } from '../../../scripts/redis-server.js';
import { keySlot } from '../../../src/base/key-slot.js';
import { startCluster, type TestCluster } from '../../../test/support/clusters.js';
import { PRIMARY_NAME, startSentinels } from '../../../test/support/sentinels.js';
import { Confirmation } from '../src/store/confirmation.js';
import { readDurability } from '../src/store/durability.js';
import { fenceKey, homeOf, sessionPrefix } from '../src/store/keys.js';
import { Shards } from '../src/store/shards.js';
import { expectProblem } from './support/expectations.js';
import {
  getAs,
  login,
  newName,
  openService,
  PASSWORD,
  post,
  postAs,
  register,
  type TestService,
  type TokenAnswer,
  verify,
} from './support/service.js';

const ACCOUNTS = 24;
const FAILOVER_MS = 30_000;
const PATIENCE_MS = 20;

interface Setup {
  readonly url: string;
  /** Who has the accounts of that name. */
  primaryOf(name: string): Promise<PrivateServer>;
  /** Whether all know that it is no primary any more: it comes back without its data. */
  isReplaced(victim: PrivateServer): Promise<boolean>;
  stop(): Promise<void>;
}

async function cluster(): Promise<Setup> {
  const nodes: TestCluster = await startCluster({ replicas: 1 });
  return {
    url: `redis-cluster://${nodes.nodes.map(({ host, port }) => `${host}:${port}`).join(',')}`,
    primaryOf: (name) => nodes.ownerOf(keySlot(fenceKey(homeOf(name)))),
    isReplaced: async (victim) => !(await nodes.primaries()).includes(victim),
    stop: () => nodes.stop(),
  };
}

async function sentinels(): Promise<Setup> {
  const setup = await startSentinels({ sentinels: 3 });
  const nodes = setup.nodes.map(({ host, port }) => `${host}:${port}`).join(',');
  return {
    url: `redis-sentinel://${nodes}/${PRIMARY_NAME}/0`,
    primaryOf: async () => (await setup.findPrimary()) as PrivateServer,
    isReplaced: async (victim) => {
      const words = ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', PRIMARY_NAME];
      const ask = (sentinel: PrivateServer) => setup.ask<[string, string]>(sentinel, ...words);
      const named = await Promise.all(setup.sentinels.map(ask));
      return named.every(([, port]) => Number(port) !== victim.port);
    },
    stop: () => setup.stop(),
  };
}

/** Tried again while Redis is away, as a client should. */
async function patiently<T extends { statusCode: number }>(ask: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + FAILOVER_MS;
  for (;;) {
    const answer = await ask();
    if (answer.statusCode !== 503 || performance.now() > deadline) return answer;
    await sleep(PATIENCE_MS);
  }
}

describe.each([
  ['a cluster of three primaries', cluster],
  ['sentinels', sentinels],
])('the service on %s', (kind, start) => {
  let setup: Setup;
  let service: TestService;
  let worker: TestService;
  beforeAll(async () => {
    setup = await start();
    const config = { revocationReplicas: 1, addressLimit: 1_000_000, accountLimit: 100 };
    const limits = { sessionRefreshLimit: 1_000, addressRefreshLimit: 1_000_000 };
    service = await openService(setup.url, { config: { ...config, ...limits } });
    worker = await openService(setup.url, {
      config: { ...config, ...limits },
      keysFile: service.keysFile,
    });
  });
  afterAll(async () => {
    await worker?.close();
    await service?.close();
    await setup?.stop();
  });
  const allHaveReplicas = async () => {
    const options = { revocationReplicas: 1, revocationFsync: false, revocationTimeoutMs: 500 };
    const confirmation = new Confirmation(new Shards(service.pool), options);
    return confirmation.confirmAll().then(
      () => true,
      () => false,
    );
  };
  const refresh = (on: TestService, { refresh_token }: TokenAnswer) =>
    post(on, '/auth/refresh', { refresh_token });

  test('does for each account what it does on one server', async () => {
    for (let account = 0; account < ACCOUNTS; account++) {
      const name = await register(service);
      const first = await login(worker, name);
      const second = await login(service, name);
      expect((await verify(worker, first.access_token)).json().username).toBe(name);
      const next = await refresh(worker, first);
      expect([next.statusCode, (await refresh(service, first)).statusCode]).toEqual([200, 200]);
      const tokens = next.json<TokenAnswer>();
      const listed = await getAs(service, '/auth/sessions', tokens.access_token);
      expect(listed.json().sessions).toHaveLength(2);
      const change = { current_password: PASSWORD, new_password: PASSWORD };
      const authorization = `Bearer ${tokens.access_token}`;
      const changed = await post(service, '/auth/password', change, { authorization });
      expect(changed.statusCode).toBe(204);
      expectProblem(await verify(worker, second.access_token), 'INVALID_TOKEN');
      const wrong = { username: name, password: 'a wild guess' };
      expectProblem(await post(worker, '/auth/login', wrong), 'INVALID_CREDENTIALS');
      const all = await postAs(worker, '/auth/logout-all', tokens.access_token);
      expect(all.statusCode).toBe(204);
      expectProblem(await verify(service, tokens.access_token), 'INVALID_TOKEN');
      expectProblem(await refresh(service, tokens), 'INVALID_TOKEN');
    }
  });

  test('says of each primary what it keeps, and tells the worst', async () => {
    const shards = new Shards(service.pool);
    const all = await shards.all();
    expect(new Set(all.map(({ id }) => id)).size).toBe(kind === 'sentinels' ? 1 : 3);
    const persistences = await Promise.all(
      all.map((shard) => shards.ask(shard, (client) => client.configSet('appendonly', 'no'))),
    );
    expect(persistences).toHaveLength(all.length);
    const { persistence, summary } = await readDurability(shards);
    expect(persistence).toBe('none');
    expect(summary.includes('the worst of 3 primaries')).toBe(kind !== 'sentinels');
  });

  test('loses nothing that a replica has when a primary is killed under load', async () => {
    const names = Array.from({ length: ACCOUNTS }, () => newName());
    for (const name of names) await register(service, name);
    const sessions = await Promise.all(names.map((name) => login(service, name)));
    const ended = await Promise.all(names.map((name) => login(service, name)));
    await expect.poll(allHaveReplicas, { timeout: FAILOVER_MS }).toBe(true);
    const refusals: unknown[] = [];
    let isOver = false;
    let unanswered = 0;
    let done = 0;
    const clients = sessions.map(async (_, index) => {
      while (!isOver) {
        const answer = await refresh(index % 2 === 0 ? service : worker, sessions[index]!);
        if (answer.statusCode === 200) {
          sessions[index] = answer.json();
          done++;
        } else if (answer.statusCode === 503) unanswered++;
        else refusals.push(answer.json().code);
        await sleep(PATIENCE_MS);
      }
    });
    await expect.poll(() => done, { timeout: FAILOVER_MS }).toBeGreaterThan(4 * ACCOUNTS);
    const victim = await setup.primaryOf(names[0]!);
    await victim.kill();
    const restarted = expect
      .poll(() => setup.isReplaced(victim), { timeout: FAILOVER_MS })
      .toBe(true)
      .then(() => victim.restart());
    // Logouts in the middle of it: who is told 204 has logged out. That takes until the killed one is
    // back as a replica.
    const endings = await Promise.all(
      ended.map(({ access_token }) =>
        patiently(() => postAs(service, '/auth/logout', access_token)),
      ),
    );
    expect(new Set(endings.map(({ statusCode }) => statusCode))).toEqual(new Set([204]));
    await restarted;
    const before = done;
    await expect.poll(() => done - before, { timeout: FAILOVER_MS }).toBeGreaterThan(4 * ACCOUNTS);
    isOver = true;
    await Promise.all(clients);
    expect(refusals).toEqual([]);
    expect(unanswered).toBeGreaterThan(0);
    for (const [index, name] of names.entries()) {
      const live = await patiently(() => verify(worker, sessions[index]!.access_token));
      expect([name, live.statusCode]).toEqual([name, 200]);
      const gone = await patiently(() => verify(worker, ended[index]!.access_token));
      expect([name, gone.statusCode]).toEqual([name, 401]);
    }
  }, 90_000);
});

describe('the service on a cluster', () => {
  let nodes: TestCluster;
  let service: TestService;
  beforeAll(async () => {
    nodes = await startCluster({ replicas: 1 });
    const [{ host, port }] = nodes.nodes as [{ host: string; port: number }];
    // One that is known is enough.
    service = await openService(`redis-cluster://${host}:${port}`, {
      config: { revocationReplicas: 1, revocationTimeoutMs: 1_500 },
    });
  });
  afterAll(async () => {
    await service?.close();
    await nodes?.stop();
  });
  const slotOf = (name: string) => keySlot(fenceKey(homeOf(name)));
  /** Accounts of three names, each at another primary. */
  const threeAccounts = async () => {
    const byOwner = new Map<PrivateServer, string>();
    while (byOwner.size < 3) {
      const name = await register(service);
      byOwner.set(await nodes.ownerOf(slotOf(name)), name);
    }
    return byOwner;
  };

  test('does nothing by halves to an account of which a part has moved to another server', async () => {
    const name = await register(service);
    const mine = await login(service, name);
    const other = await login(service, name);
    const { sid } = await service.tokens.check(other.access_token);
    const slot = slotOf(name);
    const owner = await nodes.ownerOf(slot);
    const to = (await nodes.primaries()).find((server) => server !== owner)!;
    await nodes.beginMove(slot, to);
    await nodes.moveKeys(slot, owner, to, [sessionPrefix(homeOf(name)) + sid]);
    const change = { current_password: PASSWORD, new_password: `${PASSWORD}!` };
    const authorization = `Bearer ${mine.access_token}`;
    const ask = () => post(service, '/auth/password', change, { authorization });
    expectProblem(await ask(), 'STORE_UNAVAILABLE');
    expectProblem(
      await postAs(service, '/auth/logout-all', mine.access_token),
      'STORE_UNAVAILABLE',
    );
    const old = { username: name, password: PASSWORD };
    expectProblem(await post(service, '/auth/login', old), 'STORE_UNAVAILABLE');
    // Whoever asks about one key is answered wherever it is.
    for (const { access_token } of [mine, other]) {
      expect((await verify(service, access_token)).statusCode).toBe(200);
    }
    await nodes.moveKeys(slot, owner, to);
    await nodes.endMove(slot, to);
    expect((await patiently(ask)).statusCode).toBe(204);
    expectProblem(await verify(service, other.access_token), 'INVALID_TOKEN');
    expectProblem(await post(service, '/auth/login', old), 'INVALID_CREDENTIALS');
    expect((await verify(service, mine.access_token)).statusCode).toBe(200);
  });

  test('waits for the replicas of an account, and not for those of others', async () => {
    const accounts = await threeAccounts();
    const tokens = new Map<PrivateServer, TokenAnswer>();
    for (const [owner, name] of accounts) tokens.set(owner, await login(service, name));
    const [slow, ...others] = [...accounts.keys()] as [PrivateServer, ...PrivateServer[]];
    const [replica] = await nodes.replicasOf(slow);
    // Nobody may call it dead meanwhile.
    await nodes.configure('cluster-node-timeout', '15000');
    replica!.pause();
    const logOut = (owner: PrivateServer) =>
      postAs(service, '/auth/logout', tokens.get(owner)!.access_token);
    const unconfirmed = logOut(slow);
    await sleep(PATIENCE_MS);
    const asked = performance.now();
    for (const owner of others) expect((await logOut(owner)).statusCode).toBe(204);
    expect(performance.now() - asked).toBeLessThan(1_000);
    expectProblem(await unconfirmed, 'REVOCATION_UNCONFIRMED');
    replica!.resume();
    expect((await patiently(() => logOut(slow))).statusCode).toBe(204);
    await nodes.configure('cluster-node-timeout', '500');
  });

  test('serves the accounts of the servers that are left when one is gone for good', async () => {
    const accounts = await threeAccounts();
    const tokens = new Map<PrivateServer, TokenAnswer>();
    for (const [owner, name] of accounts) tokens.set(owner, await login(service, name));
    await nodes.configure('cluster-require-full-coverage', 'no');
    const [victim, ...others] = [...accounts.keys()] as [PrivateServer, ...PrivateServer[]];
    const [replica] = await nodes.replicasOf(victim);
    await Promise.all([victim.kill(), replica!.kill()]);
    const statusOf = async (owner: PrivateServer) =>
      (await verify(service, tokens.get(owner)!.access_token)).statusCode;
    await expect.poll(() => statusOf(victim), { timeout: FAILOVER_MS }).toBe(503);
    for (const owner of others) {
      expect(
        (await patiently(() => verify(service, tokens.get(owner)!.access_token))).statusCode,
      ).toBe(200);
    }
    expect((await service.app.inject('/health/ready')).statusCode).toBe(200);
    const { summary } = await readDurability(new Shards(service.pool));
    expect(summary).toMatch(/worst of \d primaries/);
  });
});
