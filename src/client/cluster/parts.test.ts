import { expect, test } from 'vitest';
import { PoolError } from '../../errors.js';
import { ErrorReply } from '../../wire/protocol.js';
import { partialFailure } from './parts.js';

const part = (error: unknown) => ({ keys: ['k'], endpoint: undefined, error });
const full = part(new PoolError('QUEUE_FULL', 'full', { sent: false }));
const refused = part(new ErrorReply('OOM no'));
const cancelled = part(new PoolError('ABORTED', 'cancelled'));
const lost = part(new PoolError('OUTCOME_UNKNOWN', 'lost', { sent: true }));

test.each([
  ['that it was sent', [full, cancelled, lost], lost],
  ['that nobody can say', [full, refused, cancelled], cancelled],
  ['what the first part was told, where none can have run', [full, refused], full],
])('of parts that all failed the caller is told %s', (_, failed, told) => {
  expect(partialFailure('DEL', [], failed)).toBe(told.error);
});
