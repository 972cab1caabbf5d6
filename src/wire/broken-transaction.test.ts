import { describe, expect, test } from 'vitest';
import { Command, type Refusal, type RetryClass } from '../base/command.js';
import { PoolError } from '../errors.js';
import { afterBreak, lostInBreak } from './broken-transaction.js';

function commandNamed(name: string, retryClass: RetryClass = 'write'): Command {
  const command = new Command({ name, retryClass }, { timeoutMs: 0 }, 'bytes', true);
  command.promise.catch(() => undefined);
  return command;
}

const refusal: Refusal = {
  error: new Error('EXEC was refused'),
  verdict: { outcome: 'not-applied', again: 'here' },
};
const [set, get] = [commandNamed('SET'), commandNamed('GET', 'read')];

describe('a transaction that could not be closed', () => {
  test('did not run where no other is behind it', () => {
    for (const breaks of ['unknown', 'open', 'open for good'] as const) {
      expect(afterBreak(commandNamed('EXEC'), refusal, breaks, [set, get])).toBe(refusal);
    }
  });

  test('may have been run by the EXEC of another', () => {
    for (const breaks of ['unknown', 'open'] as const) {
      const behind = [set, commandNamed('EXEC')];
      const { error, verdict } = afterBreak(commandNamed('EXEC'), refusal, breaks, behind);
      expect(error).toBeInstanceOf(PoolError);
      expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN', cause: refusal.error });
      expect(verdict.outcome).toBe('unknown');
      expect(afterBreak(commandNamed('EXEC', 'read'), refusal, breaks, behind)).toBe(refusal);
    }
  });

  test('on a server that knows no EXEC speaks for all others', async () => {
    const other = commandNamed('EXEC');
    expect(afterBreak(commandNamed('EXEC'), refusal, 'open for good', [set, other])).toBe(refusal);
    await expect(other.promise).rejects.toBe(refusal.error);
    expect(set.settled).toBe(false);
  });
});

test('what was sent behind certainly did not run where MULTI is open and no EXEC follows', () => {
  const unsent = [commandNamed('DEL')];
  const lost = { sent: [set, get], unsent };
  expect(lostInBreak(lost, 'open')).toEqual({ sent: [], unsent: [set, get, ...unsent] });
  expect(lostInBreak(lost, 'open for good')).toEqual({ sent: [], unsent: [set, get, ...unsent] });
  expect(lostInBreak(lost, 'unknown')).toEqual(lost);
  const withAnother = { sent: [set, commandNamed('EXEC')], unsent };
  expect(lostInBreak(withAnother, 'open')).toEqual(withAnother);
});
