import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { openLog } from './log.js';
import { MAX_LINES_A_SECOND, SecurityEvents } from './security-events.js';

function openEvents() {
  const clock = { now: 0 };
  const lines: Record<string, unknown>[] = [];
  const log = openLog('info', { write: (line) => void lines.push(JSON.parse(line)) });
  const registry = new Registry();
  const events = new SecurityEvents({ log, registry, now: () => clock.now });
  return { clock, lines, registry, events };
}

test('an event is a line with its facts, and a count', async () => {
  const { events, lines, registry } = openEvents();
  events.emit('login_failed', { address: '192.0.2.1', user: 'id' });
  expect(lines).toEqual([
    expect.objectContaining({ event: 'login_failed', address: '192.0.2.1', user: 'id', level: 40 }),
  ]);
  const page = await registry.metrics();
  expect(page).toContain('auth_events_total{event="login_failed"} 1');
  expect(page).toContain('auth_events_total{event="refresh_reused"} 0');
});

test('a flood is counted whole, writes few lines, and says how many it left out', async () => {
  const { clock, events, lines, registry } = openEvents();
  for (let count = 0; count < 1_000; count++) events.emit('login_failed');
  events.emit('refresh_reused');
  expect(lines).toHaveLength(MAX_LINES_A_SECOND + 1);
  clock.now += 1_000;
  events.emit('login_failed');
  events.emit('login_failed');
  expect(lines.slice(-2).map(({ unlogged }) => unlogged)).toEqual([
    1_000 - MAX_LINES_A_SECOND,
    undefined,
  ]);
  expect(await registry.metrics()).toContain('auth_events_total{event="login_failed"} 1002');
});
