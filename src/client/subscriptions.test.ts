import { describe, expect, test, vi } from 'vitest';
import { Subscriptions } from './subscriptions.js';

const push = (...words: string[]) => words.map((word) => Buffer.from(word));

describe('subscriptions', () => {
  test('hand a message to the listeners of its channel, as text or as Buffers', () => {
    const subscriptions = new Subscriptions();
    const [text, bytes] = [vi.fn(), vi.fn()];
    subscriptions.add('CHANNELS', 'a', text, false);
    subscriptions.add('CHANNELS', 'a', bytes, true);
    expect(subscriptions.deliver(push('message', 'a', 'hello'))).toBe(true);
    expect(text).toHaveBeenCalledWith('hello', 'a');
    expect(bytes).toHaveBeenCalledWith(Buffer.from('hello'), Buffer.from('a'));
    expect(subscriptions.deliver(push('message', 'b', 'unheard'))).toBe(true);
    expect(text).toHaveBeenCalledTimes(1);
  });

  test('find a pattern by its name and tell the channel', () => {
    const subscriptions = new Subscriptions();
    const listener = vi.fn();
    subscriptions.add('PATTERNS', 'a*', listener, false);
    subscriptions.deliver(push('pmessage', 'a*', 'abc', 'hello'));
    expect(listener).toHaveBeenCalledWith('hello', 'abc');
  });

  test('take a confirmation for no message', () => {
    expect(new Subscriptions().deliver(push('subscribe', 'a'))).toBe(false);
  });

  test('keep a channel until its last listener is gone', () => {
    const subscriptions = new Subscriptions();
    const [first, second] = [vi.fn(), vi.fn()];
    const channel = subscriptions.add('SHARDED', 'a', first, false);
    subscriptions.add('SHARDED', 'a', second, true);
    expect(subscriptions.remove('SHARDED', 'a', first, false)).toBeUndefined();
    expect(subscriptions.remove('SHARDED', 'a', second, true)).toBe(channel);
    expect(subscriptions.isEmpty).toBe(true);
    expect(subscriptions.remove('SHARDED', 'a')).toBeUndefined();
  });

  test('let no listener that throws keep others from a message', async () => {
    const subscriptions = new Subscriptions();
    const other = vi.fn();
    const uncaught = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((act) => {
      expect(act).toThrow('of the listener');
    });
    subscriptions.add(
      'CHANNELS',
      'a',
      () => {
        throw new Error('of the listener');
      },
      false,
    );
    subscriptions.add('CHANNELS', 'a', other, false);
    subscriptions.deliver(push('message', 'a', 'hello'));
    expect(other).toHaveBeenCalled();
    expect(uncaught).toHaveBeenCalledTimes(1);
    uncaught.mockRestore();
  });
});
