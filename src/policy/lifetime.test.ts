import { describe, expect, it } from 'vitest';
import { type ConnectionFacts, drawLifetimeMs, judgeConnection } from './lifetime.js';

const options = { minConnections: 1, healthCheckIntervalMs: 30_000, idleTimeoutMs: 60_000 };
const now = 1_000_000;
const fresh: ConnectionFacts = {
  createdAt: now,
  lastUsedAt: now,
  lastTrafficAt: now,
  isInUse: false,
  lifetimeMs: 1_800_000,
};

function verdict(facts: Partial<ConnectionFacts>, openConnections = 2, changed = {}) {
  return judgeConnection({ ...fresh, ...facts }, { ...options, ...changed }, now, openConnections);
}

describe('judgeConnection', () => {
  it('keeps a connection that was just used', () => {
    expect(verdict({})).toBe('keep');
  });

  it('pings a connection at 30 s without traffic and not before', () => {
    expect(verdict({ lastTrafficAt: now - 29_999 })).toBe('keep');
    expect(verdict({ lastTrafficAt: now - 30_000 })).toBe('ping');
  });

  it('pings no connection in use: it owes replies, or its borrower owns it', () => {
    expect(verdict({ lastTrafficAt: now - 90_000, isInUse: true })).toBe('keep');
  });

  it('closes a surplus connection that nobody used for the idle time, though it was pinged', () => {
    expect(verdict({ lastUsedAt: now - 59_999 })).toBe('keep');
    expect(verdict({ lastUsedAt: now - 60_000, lastTrafficAt: now - 100 })).toBe('close:idle');
  });

  it('keeps minConnections however idle they are, and pings them', () => {
    const idle = { lastUsedAt: now - 900_000, lastTrafficAt: now - 30_000 };
    expect(verdict(idle, 1)).toBe('ping');
    expect(verdict(idle, 2)).toBe('close:idle');
    expect(verdict(idle, 1, { minConnections: 0 })).toBe('close:idle');
  });

  it('closes a connection that reached its lifetime, in use or not', () => {
    const old = { createdAt: now - 1_800_000 };
    expect(verdict(old, 1)).toBe('close:lifetime');
    expect(verdict({ ...old, isInUse: true }, 1)).toBe('close:lifetime');
    expect(verdict({ createdAt: now - 1_799_999, isInUse: true })).toBe('keep');
  });

  it('takes 0 for never', () => {
    const ancient = { createdAt: 0, lastUsedAt: 0, lastTrafficAt: now, lifetimeMs: 0 };
    expect(verdict(ancient, 9, { idleTimeoutMs: 0 })).toBe('keep');
  });
});

describe('drawLifetimeMs', () => {
  it('takes up to 10 % off', () => {
    expect(drawLifetimeMs(1_000, () => 0)).toBe(1_000);
    expect(drawLifetimeMs(1_000, () => 1)).toBe(900);
  });

  it('leaves never as it is', () => {
    expect(drawLifetimeMs(0, () => 0.5)).toBe(0);
  });
});
