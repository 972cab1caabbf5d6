// JSON documents.

import json from '@redis/json';
import { moduleCase } from '../modules.mjs';

const DOCUMENT = { name: 'ship', masts: [1, 2.5, null, 'ü'], deep: { er: true } };

export default moduleCase({
  packageName: '@redis/json',
  modules: { json: json.default },
  use: "createPool({ modules: { json } }); pool.client.json.set('ship', '$', {})",
  calls: {
    json: [
      ['arrAppend', 'key', '$.a', 1, { deep: 'er' }, null],
      ['arrIndex', 'key', '$.a', 'mast'],
      ['arrIndex', 'key', '$.a', 'mast', { range: { start: 1, stop: 5 } }],
      ['arrInsert', 'key', '$.a', 0, 'mast', DOCUMENT],
      ['arrLen', 'key'],
      ['arrLen', 'key', { path: '$.a' }],
      ['arrPop', 'key'],
      ['arrPop', 'key', { path: '$.a', index: -1 }],
      ['arrTrim', 'key', '$.a', 0, 1],
      ['clear', 'key', { path: '$' }],
      ['debugMemory', 'key', { path: '$' }],
      ['del', 'key'],
      ['del', 'key', { path: '$.a' }],
      ['forget', 'key', { path: '$.a' }],
      ['get', 'key'],
      ['get', 'key', { path: ['$.a', '$.b'] }],
      ['merge', 'key', '$', DOCUMENT],
      ['mGet', ['key', 'other'], '$'],
      ['mSet', [{ key: 'key', path: '$', value: DOCUMENT }]],
      ['numIncrBy', 'key', '$.n', 1.5],
      ['numMultBy', 'key', '$.n', -2],
      ['objKeys', 'key', { path: '$' }],
      ['objLen', 'key'],
      ['set', 'key', '$', DOCUMENT],
      ['set', Buffer.from('key'), '$', 'text', { condition: 'NX' }],
      ['strAppend', 'key', 'more', { path: '$.name' }],
      ['strLen', 'key', { path: '$.name' }],
      ['toggle', 'key', '$.deep.er'],
      ['type', 'key', { path: '$' }],
    ],
  },
});
