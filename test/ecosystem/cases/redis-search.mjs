// Indexes and queries.

import search from '@redis/search';
import { moduleCase } from '../modules.mjs';

const SCHEMA = {
  name: { type: 'TEXT', SORTABLE: true, WEIGHT: 2, NOSTEM: true },
  tons: 'NUMERIC',
  flags: { type: 'TAG', SEPARATOR: ';', CASESENSITIVE: true },
  place: 'GEO',
  likeness: { type: 'VECTOR', ALGORITHM: 'HNSW', TYPE: 'FLOAT32', DIM: 2, DISTANCE_METRIC: 'L2' },
};
const SEARCH = {
  RETURN: ['name', 'tons'],
  SORTBY: { BY: 'tons', DIRECTION: 'DESC' },
  LIMIT: { from: 0, size: 5 },
  HIGHLIGHT: { FIELDS: 'name', TAGS: { open: '<b>', close: '</b>' } },
  SUMMARIZE: { FIELDS: ['name'], FRAGS: 2, LEN: 3, SEPARATOR: '...' },
  PARAMS: { flag: 'de', blob: Buffer.from([0, 255]) },
  DIALECT: 3,
};
const AGGREGATION = {
  LOAD: ['@name', { identifier: '$.tons', AS: 'tons' }],
  STEPS: [
    {
      type: 'GROUPBY',
      properties: '@flag',
      REDUCE: [
        { type: 'COUNT', AS: 'ships' },
        { type: 'AVG', property: '@tons' },
      ],
    },
    { type: 'SORTBY', BY: { BY: '@ships', DIRECTION: 'ASC' }, MAX: 3 },
    { type: 'APPLY', expression: '@ships * 2', AS: 'twice' },
    { type: 'FILTER', expression: '@twice > 1' },
    { type: 'LIMIT', from: 0, size: 2 },
  ],
  TIMEOUT: 100,
};

export default moduleCase({
  packageName: '@redis/search',
  modules: { ft: search.default },
  use: "createPool({ modules: { ft } }); pool.client.ft.search('ships', '@name:brig')",
  calls: {
    ft: [
      ['_list'],
      ['aggregate', 'index', '*'],
      ['aggregate', 'index', '*', AGGREGATION],
      ['aggregateWithCursor', 'index', '*', { ...AGGREGATION, COUNT: 10, MAXIDLE: 1_000 }],
      ['aliasAdd', 'alias', 'index'],
      ['aliasDel', 'alias'],
      ['aliasList', 'index'],
      ['aliasUpdate', 'alias', 'index'],
      ['alter', 'index', { rig: 'TEXT' }],
      ['configGet', '*'],
      ['configSet', 'TIMEOUT', '500'],
      ['create', 'index', SCHEMA],
      ['create', 'index', { name: 'TEXT' }, { ON: 'HASH', PREFIX: ['a:', 'b:'], STOPWORDS: 'the' }],
      ['cursorDel', 'index', 7],
      ['cursorRead', 'index', 7, { COUNT: 3 }],
      ['dictAdd', 'words', ['hull', 'mast']],
      ['dictDel', 'words', 'hull'],
      ['dictDump', 'words'],
      ['dropIndex', 'index', { DD: true }],
      ['explain', 'index', '@name:$name', { PARAMS: { name: 'brig' }, DIALECT: 2 }],
      ['explainCli', 'index', '*'],
      [
        'hybrid',
        'index',
        {
          SEARCH: { query: 'brig', SCORER: 'BM25' },
          VSIM: { field: '@likeness', vector: '$v', method: { type: 'KNN', K: 3 } },
          COMBINE: { method: { type: 'RRF', CONSTANT: 60 } },
          LIMIT: { offset: 0, count: 5 },
          PARAMS: { v: Buffer.from([0, 255]) },
        },
      ],
      ['info', 'index'],
      ['profileSearch', 'index', '*', { LIMITED: true }],
      ['profileAggregate', 'index', '*', AGGREGATION],
      ['search', 'index', '*'],
      ['search', 'index', '@flags:{$flag}', SEARCH],
      ['searchNoContent', 'index', '*', { LIMIT: { from: 0, size: 1 } }],
      [
        'spellCheck',
        'index',
        'brigg',
        { DISTANCE: 2, TERMS: { mode: 'INCLUDE', dictionary: 'w' } },
      ],
      ['sugAdd', 'key', 'brig', 1.5, { INCR: true, PAYLOAD: 'two masts' }],
      ['sugDel', 'key', 'brig'],
      ['sugGet', 'key', 'br', { FUZZY: true, MAX: 3 }],
      ['sugGetWithPayloads', 'key', 'br'],
      ['sugGetWithScores', 'key', 'br'],
      ['sugGetWithScoresWithPayloads', 'key', 'br'],
      ['sugLen', 'key'],
      ['synDump', 'index'],
      ['synUpdate', 'index', 'group', ['ship', 'vessel'], { SKIPINITIALSCAN: true }],
      ['tagVals', 'index', 'flags'],
    ],
  },
});
