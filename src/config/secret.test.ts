import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Secret } from './secret.js';

describe('Secret', () => {
  const secret = new Secret('hunter2');

  it('hands its value to the one who asks for it', () => {
    expect(secret.reveal()).toBe('hunter2');
  });

  it('shows a mask in every way of printing', () => {
    const prints = [
      `${secret}`,
      String(secret),
      JSON.stringify({ secret }),
      inspect(secret),
      inspect({ deep: [{ secret }] }, { depth: 9, showHidden: true }),
      inspect(secret, { customInspect: false, showHidden: true }),
      Object.values({ ...secret }).join(),
    ];
    for (const print of prints) expect(print).not.toContain('hunter2');
    expect(inspect({ secret })).toBe('{ secret: [secret] }');
  });
});
