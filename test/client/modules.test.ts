// Modules' commands on a server that plays the module: Debian's Redis has none.

import { expect, test } from 'vitest';
import { usePools } from '../support/pools.js';
import { afterHandshake, startScriptedServer } from '../support/scripted-server.js';

const openPool = usePools();

test('a read of a time series that blocks holds up nobody on its connection', async () => {
  const seen: string[] = [];
  await using server = await startScriptedServer(
    afterHandshake(([name], connection) => {
      seen.push(`${name} on ${connection}`);
      return name === 'GET' ? '$5\r\nvalue\r\n' : undefined;
    }),
  );
  const redis = openPool({ url: server.url }).client;
  await redis.get('first');
  const blocked = redis.sendCommand(['TS.READ', 'key', '$', 'BLOCK', '0', '1']);
  const outcome = blocked.catch((error) => error);
  for (let call = 0; call < 3; call++) expect(await redis.get('next')).toBe('value');
  expect(seen.filter((text) => text.startsWith('GET'))).toEqual(Array(4).fill('GET on 1'));
  redis.destroy();
  expect(await outcome).toBeInstanceOf(Error);
  expect(seen).not.toContain('TS.READ on 1');
});
