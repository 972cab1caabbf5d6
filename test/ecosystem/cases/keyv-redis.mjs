// A key-value store that holds anything.

import assert from 'node:assert/strict';
import KeyvRedis from '@keyv/redis';
import { Keyv } from 'keyv';
import { until } from '../world.mjs';

/** A store that throws what it would otherwise only tell by an event. */
function keyvOn(client, namespace = 'shop', options = {}) {
  const keyv = new Keyv({ store: new KeyvRedis(client, options), namespace, throwOnErrors: true });
  keyv.on('error', () => undefined);
  return keyv;
}

async function keysOf(keyv) {
  const keys = [];
  for await (const [key] of keyv.iterator(keyv.namespace)) keys.push(key);
  return keys.sort();
}

export default {
  packages: ['@keyv/redis', 'keyv'],
  use: 'new Keyv({ store: new KeyvRedis(pool.client) })',
  checks: {
    'values of any kind, one and many': async ({ client }) => {
      const keyv = keyvOn(client);
      await keyv.set('a', { deep: [1, null, 'ü'] });
      await keyv.setMany([
        { key: 'b', value: Buffer.from([0, 255]) },
        { key: 'c', value: 2 },
      ]);
      assert.deepEqual(await keyv.get('a'), { deep: [1, null, 'ü'] });
      assert.deepEqual(await keyv.getMany(['b', 'absent']), [Buffer.from([0, 255]), undefined]);
      assert.equal(await keyv.has('c'), true);
      assert.deepEqual(await keyv.hasMany(['b', 'absent']), [true, false]);
      assert.equal(await keyv.delete('a'), true);
      assert.equal(await keyv.deleteMany(['b', 'c']), true);
      assert.equal(await keyv.get('a'), undefined);
    },
    'a time to live': async ({ client }) => {
      const keyv = keyvOn(client);
      await keyv.set('short', 1, 100);
      await keyv.setMany([{ key: 'shorter', value: 1, ttl: 50 }]);
      assert.equal(await keyv.get('short'), 1);
      await until(async () => (await keyv.get('short')) === undefined);
      assert.equal(await keyv.get('shorter'), undefined);
    },
    'namespaces are listed and cleared apart': async ({ client }) => {
      const [shop, yard] = [keyvOn(client, 'shop'), keyvOn(client, 'yard')];
      const names = Array.from({ length: 120 }, (_, index) => `key-${index}`);
      await shop.setMany(names.map((key) => ({ key, value: key })));
      await yard.set('mine', 1);
      assert.deepEqual(await keysOf(shop), names.sort());
      await shop.clear();
      assert.deepEqual(await keysOf(shop), []);
      assert.equal(await yard.get('mine'), 1);
    },
    'it connects by itself to a client that is not open': async (world) => {
      const twin = world.client.duplicate();
      twin.on('error', () => undefined);
      world.atEnd(() => twin.destroy());
      const keyv = keyvOn(twin);
      await keyv.set('a', 1);
      assert.equal(await keyv.get('a'), 1);
    },
    'after disconnect() it connects again': async ({ client }) => {
      const keyv = keyvOn(client);
      await keyv.set('a', 1);
      await keyv.disconnect();
      assert.equal(client.isOpen, false);
      assert.equal(await keyv.get('a'), 1);
    },
    'it goes on after a restart of Redis': async ({ client, server }) => {
      const keyv = keyvOn(client);
      await keyv.set('a', 1);
      await server.restart();
      await keyv.set('a', 2);
      assert.equal(await keyv.get('a'), 2);
    },
  },
};
