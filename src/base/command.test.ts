import { describe, expect, test } from 'vitest';
import { outcomeOf } from '../../test/support/outcome.js';
import { PoolError } from '../errors.js';
import {
  Command,
  type CommandKind,
  type CommandSettings,
  isSendable,
  newHistory,
} from './command.js';

function newCommand(
  kind: Partial<CommandKind> = {},
  settings: Partial<CommandSettings> = {},
  preserve?: unknown,
): Command {
  return new Command(
    { name: 'GET', retryClass: 'read', ...kind },
    { timeoutMs: 0, ...settings },
    '*1\r\n$3\r\nGET\r\n',
    true,
    preserve,
  );
}

describe('a command', () => {
  test('hands the reply to its caller, transformed by the protocol of the connection', async () => {
    const kind = {
      transform: (reply: unknown, preserve: unknown, types: unknown) => [3, reply, preserve, types],
      resp2Transform: (reply: unknown) => [2, reply],
    } as Partial<CommandKind>;
    const replyTypes = { 36: Buffer };
    const [three, two, none] = [
      newCommand(kind, { replyTypes }, 'kept'),
      newCommand(kind),
      newCommand(),
    ];
    three.succeed('value');
    two.succeed('value', 2);
    none.succeed('value');
    expect(await three.promise).toEqual([3, 'value', 'kept', replyTypes]);
    expect(await two.promise).toEqual([2, 'value']);
    expect(await none.promise).toBe('value');
  });

  test('drops whatever comes after its first answer', async () => {
    const answered = newCommand();
    answered.succeed('first');
    answered.succeed('late');
    answered.fail(new Error('late'));
    expect(await answered.promise).toBe('first');
    const failed = newCommand();
    failed.fail(new Error('first'));
    failed.succeed('late');
    failed.fail(new Error('late'));
    expect((await outcomeOf(failed.promise)).error?.message).toBe('first');
  });

  test('does not transform a reply that comes too late', () => {
    let transformed = 0;
    const command = newCommand({ transform: () => transformed++ });
    command.fail(new Error('timed out'));
    command.promise.catch(() => undefined);
    command.succeed('late');
    expect(transformed).toBe(0);
  });

  test('rejects when its transformation throws, and throws nothing itself', async () => {
    const mistake = new TypeError('not the reply that was expected');
    const command = newCommand({
      transform: () => {
        throw mistake;
      },
    });
    command.succeed('value');
    expect((await outcomeOf(command.promise)).error).toBe(mistake);
    expect(command.settled).toBe(true);
  });

  test('takes its listener off the signal once, however it ends', () => {
    for (const end of [
      (command: Command) => command.succeed('value'),
      (command: Command) => command.fail(new Error('no')),
    ]) {
      const command = newCommand();
      command.promise.catch(() => undefined);
      let unlistened = 0;
      command.unlisten = () => unlistened++;
      end(command);
      end(command);
      expect(unlistened).toBe(1);
    }
  });

  test('has its deadline from when it was issued, or none', () => {
    const command = newCommand({}, { timeoutMs: 500 });
    command.startedAt = 1_000;
    expect(command.deadlineAt).toBe(1_500);
    expect(newCommand().deadlineAt).toBe(Number.POSITIVE_INFINITY);
  });

  test('reads its bytes from the batch that it joined, whatever joins after it', () => {
    const batch = { text: 'before' };
    const commands = [newCommand(), newCommand()];
    for (const command of commands) command.joinBatch(batch, command.payload as string);
    expect(batch.text).toBe('before*1\r\n$3\r\nGET\r\n*1\r\n$3\r\nGET\r\n');
    for (const command of commands) expect(command.payload).toBe('*1\r\n$3\r\nGET\r\n');
    // A second attempt joins another batch.
    const second = { text: 'x' };
    commands[0]!.joinBatch(second, commands[0]!.payload as string);
    expect(commands[0]!.payload).toBe('*1\r\n$3\r\nGET\r\n');
  });

  test('never says that it was not sent when an earlier attempt may have run', async () => {
    const uncertainty = new PoolError('OUTCOME_UNKNOWN', 'lost', { sent: true });
    const [unsent, sent] = [newCommand(), newCommand()];
    for (const command of [unsent, sent]) command.history = { ...newHistory(), uncertainty };
    unsent.fail(new PoolError('BREAKER_OPEN', 'down', { sent: false }));
    const timeout = new PoolError('COMMAND_TIMEOUT', 'late', { sent: true });
    sent.fail(timeout);
    expect((await outcomeOf(unsent.promise)).error).toBe(uncertainty);
    expect((await outcomeOf(sent.promise)).error).toBe(timeout);
  });

  test('can be answered with a value that is not transformed', async () => {
    const command = newCommand({ transform: () => 'transformed' });
    command.answer('as it is');
    expect(await command.promise).toBe('as it is');
  });
});

test('a command can be sent again, though its bytes are in a batch by then', () => {
  const command = new Command(
    { name: 'PING', retryClass: 'read' },
    { timeoutMs: 0 },
    'bytes',
    true,
  );
  command.joinBatch({ text: '' }, 'bytes');
  expect(isSendable(command)).toBe(true);
});
