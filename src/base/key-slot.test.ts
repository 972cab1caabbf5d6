import { expect, it } from 'vitest';
import { keySlot } from './key-slot.js';

it('gives the slots that the server gives', () => {
  // CLUSTER KEYSLOT of Redis 7.0.
  const slots: [string, number][] = [
    ['', 0],
    ['foo', 12182],
    ['bar', 5061],
    ['123456789', 12739],
    ['foo{}{bar}', 8363],
    ['foo{{bar}}zap', 4015],
    ['foo{bar}{zap}', 5061],
    ['{user1000}.following', 3443],
    ['{user1000}.followers', 3443],
    ['{', 4092],
    ['}{', 12793],
  ];
  expect(slots.map(([key]) => [key, keySlot(key)])).toEqual(slots);
});

it('takes the bytes of a key, whether they came as text or not', () => {
  for (const key of ['é', 'a{ß}b', '鍵{}', '{é}x']) {
    expect(keySlot(Buffer.from(key)), key).toBe(keySlot(key));
  }
  expect(keySlot(Buffer.from([0xff, 0x00, 0x7b, 0xfe, 0x7d]))).toBe(keySlot(Buffer.from([0xfe])));
});
