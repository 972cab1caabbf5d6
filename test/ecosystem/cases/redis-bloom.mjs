// Filters, sketches and digests.

import bloom from '@redis/bloom';
import { moduleCase } from '../modules.mjs';

const CHUNK = Buffer.from([0, 13, 10, 255]);

export default moduleCase({
  packageName: '@redis/bloom',
  modules: bloom.default,
  use: "createPool({ modules: { bf } }); pool.client.bf.add('seen', 'brig')",
  calls: {
    bf: [
      ['add', 'key', 'brig'],
      ['card', 'key'],
      ['exists', 'key', 'brig'],
      ['info', 'key'],
      ['insert', 'key', ['a', 'b'], { CAPACITY: 100, ERROR: 0.01, EXPANSION: 2, NOCREATE: true }],
      ['loadChunk', 'key', 1, CHUNK],
      ['mAdd', 'key', ['a', 'b']],
      ['mExists', 'key', ['a', 'b']],
      ['reserve', 'key', 0.01, 100, { NONSCALING: true }],
      ['scanDump', 'key', 0],
    ],
    cms: [
      ['incrBy', 'key', { item: 'a', incrementBy: 2 }],
      [
        'incrBy',
        'key',
        [
          { item: 'a', incrementBy: 2 },
          { item: 'b', incrementBy: 1 },
        ],
      ],
      ['info', 'key'],
      ['initByDim', 'key', 1_000, 5],
      ['initByProb', 'key', 0.001, 0.01],
      ['merge', 'key', ['a', 'b']],
      ['merge', 'key', [{ name: 'a', weight: 2 }]],
      ['query', 'key', ['a', 'b']],
    ],
    cf: [
      ['add', 'key', 'a'],
      ['addNX', 'key', 'a'],
      ['count', 'key', 'a'],
      ['del', 'key', 'a'],
      ['exists', 'key', 'a'],
      ['info', 'key'],
      ['insert', 'key', ['a', 'b'], { CAPACITY: 100, NOCREATE: true }],
      ['insertNX', 'key', 'a'],
      ['loadChunk', 'key', 1, CHUNK],
      ['mExists', 'key', ['a', 'b']],
      ['reserve', 'key', 100, { BUCKETSIZE: 2, MAXITERATIONS: 3, EXPANSION: 1 }],
      ['scanDump', 'key', 0],
    ],
    tDigest: [
      ['add', 'key', [1, 2.5]],
      ['byRank', 'key', [1, 2]],
      ['byRevRank', 'key', [1]],
      ['cdf', 'key', [1, 2.5]],
      ['create', 'key', { COMPRESSION: 100 }],
      ['info', 'key'],
      ['max', 'key'],
      ['merge', 'key', ['a', 'b'], { COMPRESSION: 100, OVERRIDE: true }],
      ['min', 'key'],
      ['quantile', 'key', [0.5, 0.99]],
      ['rank', 'key', [1]],
      ['reset', 'key'],
      ['revRank', 'key', [1]],
      ['trimmedMean', 'key', 0.1, 0.9],
    ],
    topK: [
      ['add', 'key', ['a', 'b']],
      ['count', 'key', 'a'],
      ['incrBy', 'key', { item: 'a', incrementBy: 2 }],
      ['info', 'key'],
      ['list', 'key'],
      ['listWithCount', 'key'],
      ['query', 'key', ['a', 'b']],
      ['reserve', 'key', 3, { width: 8, depth: 7, decay: 0.9 }],
    ],
  },
});
