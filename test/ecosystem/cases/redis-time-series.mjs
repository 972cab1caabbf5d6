// Time series.

import timeSeries from '@redis/time-series';
import { moduleCase } from '../modules.mjs';

const FILTER = ['ship=brig', 'port!='];
const GROUP = { label: 'ship', REDUCE: 'MAX' };
const OPTIONS = { RETENTION: 1_000, CHUNK_SIZE: 128, LABELS: { ship: 'brig' } };
const RANGE = {
  LATEST: true,
  FILTER_BY_TS: [1, new Date(2)],
  FILTER_BY_VALUE: { min: 1, max: 2.5 },
  COUNT: 3,
  ALIGN: '-',
  AGGREGATION: { type: 'AVG', timeBucket: 60, BUCKETTIMESTAMP: '+', EMPTY: true },
};
const MANY = { ...RANGE, AGGREGATION: { ...RANGE.AGGREGATION, types: ['MIN', 'MAX'] } };
const GROUPS = {
  ...RANGE,
  AGGREGATION: { ...RANGE.AGGREGATION, types: [['MIN', 'MAX'], ['AVG']] },
};

/** The same for both directions. */
const ranges = (method) => [
  [method, '-', '+', FILTER],
  [method, 1, new Date(2), FILTER, RANGE],
  [`${method}GroupBy`, '-', '+', FILTER, GROUP, RANGE],
  [`${method}MultiAggr`, '-', '+', FILTER, MANY],
  [`${method}SelectedLabels`, '-', '+', ['ship'], FILTER, RANGE],
  [`${method}SelectedLabelsGroupBy`, '-', '+', ['ship'], FILTER, GROUP],
  [`${method}SelectedLabelsMultiAggr`, '-', '+', 'ship', FILTER, MANY],
  [`${method}WithLabels`, '-', '+', FILTER, RANGE],
  [`${method}WithLabelsGroupBy`, '-', '+', FILTER, GROUP],
  [`${method}WithLabelsMultiAggr`, '-', '+', FILTER, MANY],
];

export default moduleCase({
  packageName: '@redis/time-series',
  modules: { ts: timeSeries.default },
  use: "createPool({ modules: { ts } }); pool.client.ts.add('tide', '*', 1.5)",
  holds: '1 for each `ts.read()` that blocks, while it does',
  calls: {
    ts: [
      ['add', 'key', '*', 1.5, { ...OPTIONS, ON_DUPLICATE: 'LAST', ENCODING: 'COMPRESSED' }],
      ['add', 'key', new Date(5), -1],
      ['alter', 'key', { ...OPTIONS, DUPLICATE_POLICY: 'SUM' }],
      ['create', 'key', { ...OPTIONS, IGNORE: { maxTimeDiff: 1, maxValDiff: 0.5 } }],
      ['createRule', 'key', 'other', 'AVG', 60, 1],
      ['decrBy', 'key', 2, { TIMESTAMP: 5, ...OPTIONS }],
      ['del', 'key', '-', '+'],
      ['deleteRule', 'key', 'other'],
      ['get', 'key', { LATEST: true }],
      ['incrBy', 'key', 2, { UNCOMPRESSED: true }],
      ['info', 'key'],
      ['infoDebug', 'key'],
      ['mAdd', [{ key: 'key', timestamp: '*', value: 1 }]],
      ['mGet', FILTER, { LATEST: true }],
      ['mGetSelectedLabels', FILTER, ['ship']],
      ['mGetWithLabels', FILTER],
      ...ranges('mRange'),
      ...ranges('mRevRange'),
      ['nRange', ['key', 'other'], '-', '+', GROUPS],
      ['nRevRange', ['key', 'other'], '-', '+', GROUPS],
      ['queryIndex', FILTER],
      ['queryLabels', FILTER],
      ['queryLabelValues', 'ship', FILTER],
      ['range', 'key', '-', '+', RANGE],
      ['rangeMultiAggr', 'key', '-', '+', MANY],
      ['read', 'key', '-'],
      ['read', 'key', '$', { BLOCK: { milliseconds: 100, minCount: 2 }, MAX_COUNT: 9 }],
      ['revRange', 'key', '-', '+', RANGE],
      ['revRangeMultiAggr', 'key', '-', '+', MANY],
    ],
  },
});
