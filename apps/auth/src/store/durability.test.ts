import { expect, test } from 'vitest';
import { durabilityOf } from './durability.js';

const APPEND_ONLY = '# Persistence\r\nloading:0\r\naof_enabled:1\r\naof_last_write_status:ok\r\n';
const SNAPSHOTS = APPEND_ONLY.replace('aof_enabled:1', 'aof_enabled:0');
const BROKEN = APPEND_ONLY.replace('status:ok', 'status:err');

test.each([
  [{ info: APPEND_ONLY, appendfsync: 'always', save: '' }, 'aof-always', 0],
  [{ info: APPEND_ONLY, appendfsync: 'everysec', save: '3600 1' }, 'aof-everysec', 2],
  [{ info: APPEND_ONLY, appendfsync: 'no', save: '' }, 'aof-no', 30],
  [{ info: APPEND_ONLY }, 'aof', undefined],
  [{ info: BROKEN, appendfsync: 'always', save: '' }, 'aof', undefined],
  [{ info: SNAPSHOTS, save: '3600 1 300 100 60 10000' }, 'rdb', 3600],
  [{ info: SNAPSHOTS, save: '60 1 30 1' }, 'rdb', 30],
  [{ info: SNAPSHOTS, save: '60 1000' }, 'rdb', undefined],
  [{ info: SNAPSHOTS, save: '' }, 'none', undefined],
  [{ info: SNAPSHOTS }, 'unknown', undefined],
  [{ appendfsync: 'always', save: '3600 1' }, 'unknown', undefined],
  [{}, 'unknown', undefined],
])('%j is %s and may lose %s s', (settings, persistence, lossSeconds) => {
  expect(durabilityOf(settings)).toMatchObject({ persistence, lossSeconds });
});
