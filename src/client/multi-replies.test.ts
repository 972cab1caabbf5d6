// Transactions and pipelines of which something was refused: what became of the whole, whether it
// may go out again, and whether its connection can be trusted. Pure: replies in, verdict out.

import { describe, expect, test } from 'vitest';
import type { CommandKind } from '../base/command.js';
import { PoolError } from '../errors.js';
import { ErrorReply, MultiErrorReply, WatchError } from '../wire/protocol.js';
import { pipelineKind, type Queue, transactionKind } from './multi-replies.js';

const refused = (text: string) => new ErrorReply(text);
const UNKNOWN_EXEC = refused("ERR unknown command 'EXEC', with args beginning with: ");
const UNKNOWN_MULTI = refused("ERR unknown command 'MULTI', with args beginning with: ");
const ABORT = refused('EXECABORT Transaction discarded because of previous errors.');
const READONLY = refused("READONLY You can't write against a read only replica.");
const LOADING = refused('LOADING Redis is loading the dataset in memory');
const NOAUTH = refused('NOAUTH Authentication required.');
const NOPERM = refused('NOPERM this user has no permissions');
const WRONGTYPE = refused('WRONGTYPE Operation against a key');
const ABORT_READONLY = refused(`EXECABORT Transaction discarded because of: ${READONLY.message}`);

/** Two commands; `authors` are those that may have made up their errors. */
function queueOf(authors: readonly number[] = []): Queue {
  const transforms = { resp3: undefined, resp2: undefined };
  const errorAuthors = authors.length === 0 ? undefined : new Set(authors);
  return { commands: [{ transforms }, { transforms }], errorAuthors };
}

function verdictOn(kind: CommandKind, replies: readonly unknown[], authors?: readonly number[]) {
  return kind.refusalIn?.(replies, queueOf(authors))?.verdict;
}

/** What the caller gets: the values, or what was thrown. */
function answerOf(kind: CommandKind, replies: readonly unknown[]): unknown {
  try {
    return kind.transform?.(replies as never, queueOf());
  } catch (error) {
    return error;
  }
}

describe('a transaction', () => {
  const kind = transactionKind('write');
  const verdict = (...replies: unknown[]) => verdictOn(kind, replies);
  const answer = (...replies: unknown[]) => answerOf(kind, replies);

  test('that ran, or whose watched key had changed, was not refused', () => {
    expect(verdict('OK', 'QUEUED', 'QUEUED', [1, 2])).toBeUndefined();
    expect(verdict('OK', 'QUEUED', 'QUEUED', null)).toBeUndefined();
    expect(verdict('OK', 'QUEUED', 'QUEUED', [1, WRONGTYPE])).toBeUndefined();
    expect(answer('OK', 'QUEUED', 'QUEUED', [1, 2])).toEqual([1, 2]);
    expect(answer('OK', 'QUEUED', 'QUEUED', null)).toBeInstanceOf(WatchError);
    expect(answer('OK', 'QUEUED', 'QUEUED', [1, WRONGTYPE])).toBeInstanceOf(MultiErrorReply);
  });

  test('whose errors EXEC hands out ran, be they what a server says that refuses', () => {
    for (const error of [LOADING, NOPERM, refused('TRYAGAIN x')]) {
      expect(verdict('OK', 'QUEUED', 'QUEUED', [1, error])).toBeUndefined();
    }
    expect(verdict('OK', 'QUEUED', 'QUEUED', [1, READONLY])).toEqual({
      outcome: 'partly-applied',
      again: 'no',
      retire: 'demoted',
    });
  });

  test('of which something was not queued did not run, and goes out again if that may help', () => {
    expect(verdict('OK', READONLY, READONLY, ABORT)).toMatchObject({
      outcome: 'not-applied',
      again: 'elsewhere',
      retire: 'demoted',
      breaks: undefined,
    });
    expect(verdict('OK', LOADING, 'QUEUED', ABORT)).toMatchObject({ again: 'here' });
    expect(verdict('OK', LOADING, WRONGTYPE, ABORT)).toMatchObject({ again: 'no' });
    expect(verdict('OK', 'QUEUED', 'QUEUED', ABORT_READONLY)).toMatchObject({
      outcome: 'not-applied',
      again: 'elsewhere',
      retire: 'demoted',
    });
    expect(verdict('OK', 'QUEUED', 'QUEUED', ABORT)).toMatchObject({ again: 'no' });
    expect(answer('OK', LOADING, 'QUEUED', ABORT)).toBe(LOADING);
  });

  test('whose EXEC was refused did not run, and breaks its connection', () => {
    expect(verdict('OK', 'QUEUED', 'QUEUED', UNKNOWN_EXEC)).toMatchObject({
      outcome: 'not-applied',
      again: 'no',
      breaks: 'open for good',
    });
    expect(verdict('OK', 'QUEUED', 'QUEUED', NOPERM)?.breaks).toBe('open');
    expect(verdict('OK', 'QUEUED', 'QUEUED', LOADING)).toMatchObject({
      again: 'here',
      breaks: 'unknown',
    });
    expect(answer('OK', 'QUEUED', 'QUEUED', UNKNOWN_EXEC)).toBe(UNKNOWN_EXEC);
  });

  test('whose MULTI was refused, and nothing else, ran outside of a transaction', () => {
    const replies = [UNKNOWN_MULTI, 1, 2, refused('ERR EXEC without MULTI')];
    expect(verdict(...replies)).toMatchObject({ outcome: 'partly-applied', again: 'no' });
    const error = answer(...replies) as PoolError;
    expect([error.code, error.sent, error.cause]).toEqual(['OUTCOME_UNKNOWN', true, UNKNOWN_MULTI]);
    expect(answerOf(transactionKind('read'), replies)).toBe(UNKNOWN_MULTI);
    // A script may have written, and then failed in these words.
    const failed = [NOAUTH, NOAUTH, NOAUTH, NOAUTH];
    expect(verdictOn(kind, failed, [1])).toMatchObject({ outcome: 'partly-applied', again: 'no' });
  });

  test('that its server closed at the first refusal ran from there on', () => {
    const closed = refused('ERR EXEC without MULTI');
    const arity = refused("ERR wrong number of arguments for 'get' command");
    expect(verdict('OK', LOADING, 1, closed)).toMatchObject({
      outcome: 'partly-applied',
      again: 'no',
    });
    expect(answer('OK', arity, 1, closed)).toMatchObject({ code: 'OUTCOME_UNKNOWN', cause: arity });
    // What had been queued before was discarded, and nothing came after.
    expect(verdict('OK', 'QUEUED', arity, closed)).toMatchObject({ outcome: 'not-applied' });
    expect(answer('OK', 'QUEUED', arity, closed)).toBe(arity);
    expect(answer('OK', arity, WRONGTYPE, closed)).toBe(arity);
  });

  test('of which all was refused did not run', () => {
    expect(verdict(NOAUTH, NOAUTH, NOAUTH, NOAUTH)).toMatchObject({
      outcome: 'not-applied',
      again: 'elsewhere',
      retire: 'unauthenticated',
      breaks: undefined,
    });
    expect(answer(NOAUTH, NOAUTH, NOAUTH, NOAUTH)).toBe(NOAUTH);
  });

  test('in a transaction that somebody left open breaks its connection', () => {
    const nested = refused('ERR MULTI calls can not be nested');
    expect(verdict(nested, 'QUEUED', 'QUEUED', [1, 2, 3])?.breaks).toBe('unknown');
    expect(answer(nested, 'QUEUED', 'QUEUED', [1, 2, 3])).toMatchObject({
      code: 'OUTCOME_UNKNOWN',
    });
  });

  test('whose EXEC has the reply to something else breaks its connection', () => {
    for (const reply of ['QUEUED', 'OK', 1, [1], [1, 2, 3], undefined, { 0: 1 }]) {
      expect(verdict('OK', 'QUEUED', 'QUEUED', reply)?.breaks).toBe('unknown');
      const error = answer('OK', 'QUEUED', 'QUEUED', reply);
      expect(error).toBeInstanceOf(PoolError);
      expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    }
  });
});

describe('a pipeline', () => {
  const kind = pipelineKind('write');
  const verdict = (replies: readonly unknown[], authors?: readonly number[]) =>
    verdictOn(kind, replies, authors);

  test('without errors was not refused', () => {
    expect(verdict([1, 2])).toBeUndefined();
  });

  test('is judged by what its server refused', () => {
    expect(verdict([LOADING, LOADING])).toMatchObject({ outcome: 'not-applied', again: 'here' });
    expect(verdict([LOADING, READONLY])).toMatchObject({
      outcome: 'not-applied',
      again: 'elsewhere',
      retire: 'demoted',
    });
    expect(verdict([1, LOADING])).toMatchObject({ outcome: 'partly-applied', again: 'here' });
    expect(verdict([1, WRONGTYPE])).toMatchObject({ again: 'no', retire: undefined });
    expect(verdict([LOADING, WRONGTYPE])).toMatchObject({ outcome: 'partly-applied' });
  });

  test('is not judged by what a script in it may have made up', () => {
    expect(verdict([LOADING, LOADING], [0, 1])).toMatchObject({ again: 'no' });
    expect(verdict([LOADING, LOADING], [1])).toMatchObject({ outcome: 'partly-applied' });
    expect(verdict([1, READONLY], [1])).toMatchObject({ again: 'no', retire: 'demoted' });
  });
});
