// A pool whose primary is named by real sentinels: found, followed over failovers, planned and not,
// while callers go on; and what it says when it can't be found.

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { type PrivateServer, startPrivateServer } from '../../scripts/redis-server.js';
import { createPool, type PlimsollOptions } from '../../src/index.js';
import { startFakeServer, staysSilent } from '../support/fake-server.js';
import { outcomeOf } from '../support/outcome.js';
import { afterHandshake, startScriptedServer } from '../support/scripted-server.js';
import { PRIMARY_NAME, type SentinelSetup, useSentinels } from '../support/sentinels.js';
import { until } from '../support/until.js';

/** A failed election is repeated after 4 s. */
const FAILOVER_MS = 15_000;
/** From the moment that the new primary takes writes, ms. */
const RETURN_MS = 500;

function openPool(setup: SentinelSetup, options: Partial<PlimsollOptions> = {}) {
  const sentinel = { name: PRIMARY_NAME, nodes: setup.nodes };
  return createPool({ sentinel, maxConnections: 4, ...options } as object, {});
}

/** Writes numbers one after another until `stop()`; says what was acknowledged, and when. */
function writeWithoutPause(pool: ReturnType<typeof createPool>, key: string) {
  const acknowledged: { value: number; at: number }[] = [];
  const refused: { code: string; sent: boolean | undefined }[] = [];
  let isOver = false;
  const work = (async () => {
    for (let value = 0; !isOver; value++) {
      const { code, error } = await outcomeOf(pool.client.rPush(key, String(value)));
      if (code === 'ok') acknowledged.push({ value, at: performance.now() });
      else refused.push({ code, sent: error?.sent });
    }
  })();
  return {
    acknowledged,
    refused,
    stop: async () => {
      isOver = true;
      await work;
    },
  };
}

/**
 * A sentinel that has not heard of a failover takes the old primary that comes back for the primary
 * still, and makes a replica of the new one.
 */
async function untilAllKnow(setup: SentinelSetup, before: PrivateServer): Promise<void> {
  const words = ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', PRIMARY_NAME];
  await until(async () => {
    const asked = setup.sentinels.map((sentinel) => setup.ask<string[]>(sentinel, ...words));
    return (await Promise.all(asked)).every(([, port]) => Number(port) !== before.port);
  }, FAILOVER_MS);
}

describe('a pool behind sentinels', () => {
  const setup = useSentinels({ sentinels: 3 });
  const portOf = async (pool: ReturnType<typeof createPool>) =>
    Number(/tcp_port:(\d+)/.exec(await pool.client.info('server'))?.[1]);

  test('finds the primary, though the first sentinels are wrong addresses', async () => {
    const nodes = [{ host: '127.0.0.1', port: 9 }, { host: 'no-such-host.invalid' }];
    const sentinel = { name: PRIMARY_NAME, nodes: [...nodes, setup().nodes[2]!] };
    await using pool = createPool({ sentinel }, {});
    await using byUrl = createPool({
      url: `redis-sentinel://127.0.0.1:9,127.0.0.1:${setup().nodes[0]?.port}/${PRIMARY_NAME}/3`,
    });
    const primary = (await setup().findPrimary()) as PrivateServer;
    expect(await portOf(pool)).toBe(primary.port);
    expect(await portOf(byUrl)).toBe(primary.port);
    expect(byUrl.options.target.database).toBe(3);
    expect(pool.status().address).toBe(`${PRIMARY_NAME} (127.0.0.1:${primary.port})`);
  });

  test('follows a planned failover: lanes, leases, consumers, subscriptions', async () => {
    await using pool = openPool(setup());
    const before = (await setup().findPrimary()) as PrivateServer;
    expect(await portOf(pool)).toBe(before.port);
    const heard: string[] = [];
    await pool.client.subscribe('tide', (message) => heard.push(message));
    const popped = outcomeOf(pool.client.duplicate().blPop('jobs', 0));
    const lease = await pool.acquire();
    await lease.client.watch('key');
    const after = await setup().failOver();
    await until(async () => (await portOf(pool).catch(() => 0)) === after.port, FAILOVER_MS);
    await until(async () => (await pool.client.publish('tide', 'in').catch(() => 0)) === 1, 5_000);
    await until(() => heard.includes('in'));
    expect((await popped).code).not.toBe('ok');
    const exec = await outcomeOf(lease.client.multi().set('key', '1').exec());
    expect(exec.code).toBe('CONNECTION_LOST');
    lease.release();
    expect(await pool.client.set('key', '2')).toBe('OK');
  });

  test('serves writes soon after a new primary takes the place of a killed one', async () => {
    await using pool = openPool(setup());
    const before = (await setup().findPrimary()) as PrivateServer;
    await until(() => setup().isInStep(), FAILOVER_MS);
    const writer = writeWithoutPause(pool, 'numbers');
    await until(() => writer.acknowledged.length > 100);
    await before.kill();
    const killedAt = performance.now();
    const other = setup().servers.find((server) => server !== before) as PrivateServer;
    await until(async () => {
      const role = await setup()
        .ask<unknown[]>(other, 'ROLE')
        .catch(() => []);
      return role[0] === 'master';
    }, FAILOVER_MS);
    const promotedAt = performance.now();
    await until(() => (writer.acknowledged.at(-1)?.at ?? 0) > killedAt, FAILOVER_MS);
    await sleep(200);
    await writer.stop();
    const first = writer.acknowledged.find(({ at }) => at > promotedAt);
    const tookMs = (first?.at ?? Number.POSITIVE_INFINITY) - promotedAt;
    console.log(
      `promoted ${Math.round(promotedAt - killedAt)} ms after the kill; ` +
        `writes ${Math.round(tookMs)} ms later`,
    );
    expect(tookMs).toBeLessThan(RETURN_MS);
    const stored = await pool.client.lRange('numbers', 0, -1);
    // Nothing twice, and at most the one write whose outcome nobody knew was added.
    expect(new Set(stored).size).toBe(stored.length);
    await untilAllKnow(setup(), before);
    await before.restart();
    await until(async () => {
      const role = await setup()
        .ask<unknown[]>(before, 'ROLE')
        .catch(() => []);
      return role[0] === 'slave' && role[3] === 'connected';
    }, FAILOVER_MS);
  });

  test('does not go back to an old primary that wakes up with its old role', async () => {
    await using pool = openPool(setup(), { commandTimeoutMs: 1_000 });
    await until(() => setup().isInStep(), FAILOVER_MS);
    const before = (await setup().findPrimary()) as PrivateServer;
    expect(await portOf(pool)).toBe(before.port);
    before.pause();
    await until(
      async () => (await portOf(pool).catch(() => before.port)) !== before.port,
      FAILOVER_MS,
    );
    await untilAllKnow(setup(), before);
    const writing = Array.from({ length: 200 }, async (_, index) => {
      await sleep(index);
      return pool.client.set(`since ${index}`, '1');
    });
    before.resume();
    expect((await Promise.allSettled(writing)).every(({ status }) => status === 'fulfilled')).toBe(
      true,
    );
    const after = setup().servers.find((server) => server !== before) as PrivateServer;
    expect(await portOf(pool)).toBe(after.port);
    const kept = await setup().ask<string[]>(after, 'KEYS', 'since *');
    expect(kept).toHaveLength(200);
    await until(() => setup().isInStep(), FAILOVER_MS);
  });

  test('hears of a new primary, though the old one only hangs and nobody asks', async () => {
    await using pool = openPool(setup());
    await until(() => setup().isInStep(), FAILOVER_MS);
    const before = (await setup().findPrimary()) as PrivateServer;
    const after = setup().servers.find((server) => server !== before) as PrivateServer;
    expect(await portOf(pool)).toBe(before.port);
    before.pause();
    const sentinel = setup().sentinels[0] as PrivateServer;
    const named = async () => {
      const words = ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', PRIMARY_NAME];
      return Number((await setup().ask<string[]>(sentinel, ...words))[1]);
    };
    await until(async () => (await named()) === after.port, FAILOVER_MS);
    // A look comes each 5 s; what is told is known at once.
    await until(() => pool.status().address.includes(`:${after.port}`), 1_500);
    await untilAllKnow(setup(), before);
    before.resume();
    await until(() => setup().isInStep(), FAILOVER_MS);
  });

  test('goes on when the sentinels are gone, and finds them again', async () => {
    await using pool = openPool(setup());
    expect(await pool.client.ping()).toBe('PONG');
    for (const sentinel of setup().sentinels) await sentinel.kill();
    for (let index = 0; index < 20; index++) expect(await pool.client.ping()).toBe('PONG');
    await using late = openPool(setup(), { breaker: { patienceMs: 200 } });
    const { code, error } = await outcomeOf(late.client.get('key'));
    expect([code, error?.message]).toEqual(['BREAKER_OPEN', expect.stringContaining(PRIMARY_NAME)]);
    for (const sentinel of setup().sentinels) await sentinel.restart();
    await until(async () => (await outcomeOf(late.client.ping())).code === 'ok', 5_000);
  });

  test('says which name the sentinels do not know', async () => {
    const sentinel = { name: 'nowhere', nodes: setup().nodes };
    await using pool = createPool({ sentinel, breaker: { patienceMs: 0, failures: 1 } }, {});
    const { code, error } = await outcomeOf(pool.client.ping());
    expect(code).toBe('BREAKER_OPEN');
    expect(error?.message).toMatch(
      /No sentinel named a primary for nowhere .*none watches that name/,
    );
  });
});

describe('sentinels that are wrong', () => {
  const setup = useSentinels({});
  const bulk = (text: string | number) => `$${`${text}`.length}\r\n${text}\r\n`;
  const naming = (server: PrivateServer) =>
    startScriptedServer(
      afterHandshake(([, what]) =>
        what === 'GET-MASTER-ADDR-BY-NAME'
          ? `*2\r\n${bulk(server.host)}${bulk(server.port)}`
          : '*0\r\n',
      ),
    );

  test('about the primary, or silent, keep nobody from the right one', async () => {
    const [primary, replica] = setup().servers as [PrivateServer, PrivateServer];
    await using liar = await naming(replica);
    await using silent = await startFakeServer(staysSilent);
    const nodes = [liar, silent, ...setup().nodes];
    await using pool = createPool({ sentinel: { name: PRIMARY_NAME, nodes } }, {});
    const { value, tookMs } = await outcomeOf(pool.client.info('server'));
    expect(value).toContain(`tcp_port:${primary.port}`);
    expect(tookMs).toBeLessThan(1_000);
  });

  test('about the primary are told so, where there is no other', async () => {
    await using liar = await naming(setup().servers[1] as PrivateServer);
    const sentinel = { name: PRIMARY_NAME, nodes: [liar] };
    await using pool = createPool({ sentinel, breaker: { patienceMs: 0, failures: 1 } }, {});
    const { error } = await outcomeOf(pool.client.ping());
    expect(error?.message).toMatch(/as primary of harbour, which says it is a slave/);
  });

  test('about addresses, as seen from here, are put right by a map', async () => {
    const [primary] = setup().servers as [PrivateServer];
    await using liar = await startScriptedServer(
      afterHandshake(([, what]) =>
        what === 'GET-MASTER-ADDR-BY-NAME' ? `*2\r\n${bulk('10.9.8.7')}${bulk(6379)}` : '*0\r\n',
      ),
    );
    const { host, port } = primary;
    const maps = [{ '10.9.8.7:6379': { host, port } }, () => ({ host, port })];
    for (const addressMap of maps) {
      const sentinel = { name: PRIMARY_NAME, nodes: [liar], addressMap };
      await using pool = createPool({ sentinel }, {});
      expect(await pool.client.ping()).toBe('PONG');
    }
  });
});

describe('sentinels that disagree', () => {
  const bulk = (text: string | number) => `$${`${text}`.length}\r\n${text}\r\n`;
  const naming = ({ host, port }: PrivateServer, epoch: number) =>
    startScriptedServer(
      afterHandshake(([, what]) => {
        if (what === 'GET-MASTER-ADDR-BY-NAME') return `*2\r\n${bulk(host)}${bulk(port)}`;
        return what === 'MASTER' ? `*2\r\n${bulk('config-epoch')}${bulk(epoch)}` : '*0\r\n';
      }),
    );

  test('about the primary: the one of the latest failover is believed, wherever it stands', async () => {
    await using old = await startPrivateServer();
    await using young = await startPrivateServer();
    await using behind = await naming(old, 3);
    await using current = await naming(young, 4);
    for (const nodes of [
      [behind, current],
      [current, behind],
    ]) {
      await using pool = createPool({ sentinel: { name: PRIMARY_NAME, nodes } }, {});
      expect(await pool.client.info('server')).toContain(`tcp_port:${young.port}`);
      // And by each connection that is made later.
      for (let round = 0; round < 5; round++) {
        const id = await pool.client.clientId();
        await pool.client.sendCommand(['CLIENT', 'KILL', 'ID', `${id}`]).catch(() => undefined);
        expect(await pool.client.info('server')).toContain(`tcp_port:${young.port}`);
      }
    }
  });

  test('about the primary: one that is behind is used where no other is left', async () => {
    await using old = await startPrivateServer();
    await using behind = await naming(old, 3);
    await using silent = await startFakeServer(staysSilent);
    const nodes = [silent, behind, { host: '127.0.0.1', port: 9 }];
    await using pool = createPool({ sentinel: { name: PRIMARY_NAME, nodes } }, {});
    expect((await outcomeOf(pool.client.ping())).tookMs).toBeLessThan(1_000);
  });
});

describe('passwords', () => {
  const [password, sentinelPassword] = ['for-the-server', 'for-the-sentinels'];
  const setup = useSentinels({ password, sentinelPassword });
  const sentinel = () => ({ name: PRIMARY_NAME, nodes: setup().nodes, password: sentinelPassword });

  test('of servers and sentinels are each their own', async () => {
    await using pool = createPool({ sentinel: sentinel(), password }, {});
    expect(await pool.client.ping()).toBe('PONG');
    const node = setup().nodes[0];
    const url = `redis-sentinel://:${password}@${node?.host}:${node?.port}/${PRIMARY_NAME}`;
    await using byUrl = createPool({ url: `${url}?sentinelPassword=${sentinelPassword}` }, {});
    expect(await byUrl.client.ping()).toBe('PONG');
  });

  test('that a sentinel refuses fail at once, with no word of them', async () => {
    for (const given of ['wrong-word', undefined]) {
      const options = given === undefined ? { password: undefined } : { password: given };
      await using pool = createPool(
        { sentinel: { ...sentinel(), ...options }, password } as object,
        {},
      );
      const { error, tookMs } = await outcomeOf(pool.client.ping());
      expect(error?.cause).toMatchObject({ code: 'AUTH_FAILED' });
      expect(error?.message).not.toContain('wrong-word');
      expect(error?.message).not.toContain(sentinelPassword);
      expect(error?.message).not.toContain(password);
      expect(tookMs).toBeLessThan(1_000);
    }
  });
});
