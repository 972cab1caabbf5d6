import { describe, expect, test } from 'vitest';
import { blockTimeMs, classifyCommand } from './command-class.js';

describe('the class of a command', () => {
  test('is read where the command table says readonly', () => {
    expect(classifyCommand('GET', ['readonly', 'fast'], false).retryClass).toBe('read');
    expect(classifyCommand('EVAL_RO', ['readonly', 'script_runner'], false).retryClass).toBe(
      'read',
    );
  });

  test('is write where the table says write, whatever the definition says', () => {
    expect(classifyCommand('SET', ['write', 'denyoom'], true).retryClass).toBe('write');
  });

  test('is read by the word of the definition only where no flag speaks against it', () => {
    expect(classifyCommand('PING', ['fast'], true).retryClass).toBe('read');
    expect(classifyCommand('PUBLISH', ['pubsub', 'fast'], true).retryClass).toBe('unknown');
    expect(classifyCommand('CONFIG GET', ['admin'], true).retryClass).toBe('unknown');
    expect(classifyCommand('NEW.COMMAND', undefined, true).retryClass).toBe('read');
    expect(classifyCommand('NEW.COMMAND', undefined, false).retryClass).toBe('unknown');
  });

  test('is not read where a call moves a cursor on, whatever table and definition say', () => {
    expect(classifyCommand('FT.CURSOR READ', ['readonly', 'module'], true).retryClass).toBe(
      'write',
    );
  });

  test('is once where a second one would hit another server, script or connection', () => {
    for (const name of ['SHUTDOWN', 'DEBUG', 'FAILOVER', 'REPLICAOF', 'CLIENT KILL']) {
      expect(classifyCommand(name, ['admin'], false).retryClass).toBe('once');
    }
  });

  test('says that scripts, modules and unknown commands may make up errors, and only those', () => {
    const mayMakeUpErrors = (flags: readonly string[] | undefined) =>
      classifyCommand('NAME', flags, false).mayMakeUpErrors;
    expect(mayMakeUpErrors(['noscript', 'script_runner'])).toBe(true);
    expect(mayMakeUpErrors(['write', 'module'])).toBe(true);
    expect(mayMakeUpErrors(undefined)).toBe(true);
    expect(mayMakeUpErrors(['write', 'denyoom'])).toBe(false);
    expect(mayMakeUpErrors([])).toBe(false);
  });

  test('asks for a lease where the command speaks of its session', () => {
    for (const name of ['WATCH', 'SELECT', 'MULTI', 'EXEC', 'AUTH', 'WAIT', 'HIMPORT PREPARE']) {
      expect(classifyCommand(name, [], false)).toMatchObject({ need: 'lease', isOrdinary: false });
    }
  });

  test('refuses what leaves no reply to match', () => {
    expect(classifyCommand('SUBSCRIBE', ['pubsub'], true).need).toBe('never');
    expect(classifyCommand('CLIENT REPLY', [], false).need).toBe('never');
    expect(classifyCommand('REPLCONF', ['admin'], false).need).toBe('never');
  });

  test('is ordinary where nothing is special', () => {
    expect(classifyCommand('GET', ['readonly'], true).isOrdinary).toBe(true);
    expect(classifyCommand('BLPOP', ['write', 'blocking'], false).isOrdinary).toBe(false);
    // Its flags don't say that it blocks.
    expect(classifyCommand('TS.READ', ['readonly', 'module'], true).isOrdinary).toBe(false);
  });
});

describe('the time that a command blocks', () => {
  test.each([
    [['BLPOP', 'a', 'b', '1.5'], 1500],
    [['BLMOVE', 'a', 'b', 'LEFT', 'LEFT', '2'], 2000],
    [['BZMPOP', '3', '1', 'a', 'MIN'], 3000],
    [['BLMOVEM', 'a', 'b', 'LEFT', 'LEFT', '4', 'COUNT', '2'], 4000],
    [['WAIT', '1', '250'], 250],
    [['XREAD', 'COUNT', '1', 'BLOCK', '70', 'STREAMS', 's', '$'], 70],
    [['XREAD', 'block', '70', 'STREAMS', 's', '$'], 70],
    [['XREADGROUP', 'GROUP', 'BLOCK', '9', 'BLOCK', '80', 'STREAMS', 's', '>'], 80],
    [['TS.READ', 'BLOCK', '9', 'BLOCK', '90', '1', 'MAX_COUNT', '5'], 90],
    [['BLPOP', 'a', Buffer.from('1')], 1000],
  ])('%j: %d ms', (args, expected) => {
    expect(blockTimeMs(String(args[0]), args)).toBe(expected);
  });

  test('is without end for 0', () => {
    expect(blockTimeMs('BLPOP', ['BLPOP', 'a', '0'])).toBe(Number.POSITIVE_INFINITY);
    expect(blockTimeMs('XREAD', ['XREAD', 'BLOCK', '0', 'STREAMS', 's', '$'])).toBe(
      Number.POSITIVE_INFINITY,
    );
  });

  test('is none for a stream read without BLOCK, even of a stream named BLOCK', () => {
    expect(blockTimeMs('XREAD', ['XREAD', 'STREAMS', 'BLOCK', '0'])).toBeUndefined();
    expect(blockTimeMs('TS.READ', ['TS.READ', 'BLOCK', '0', 'MAX_COUNT', '5'])).toBeUndefined();
    expect(
      blockTimeMs('XREADGROUP', ['XREADGROUP', 'GROUP', 'BLOCK', '9', 'STREAMS', 's', '>']),
    ).toBeUndefined();
  });

  test('is nothing where the argument is no number, as the server refuses it at once', () => {
    expect(blockTimeMs('BLPOP', ['BLPOP', 'a', 'soon'])).toBe(0);
  });
});
