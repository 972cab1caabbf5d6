// What `top` makes of two scrapes and of two looks at INFO, and how it draws that.

import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { ALERT_PERCENT, WARNING_PERCENT } from '../../../../src/policy/recommendations.js';
import { quantile, rate, Scrape } from './metrics-text.js';
import { redisView } from './redis-source.js';
import { linesOf, openScreen } from './screen.js';
import { serviceView } from './service-source.js';
import { LINES, type View } from './view.js';

const textOf = (view: View) => linesOf(view).map(({ text }) => text);

function scrapeText(commands: number, fast: number, inUse = 30): string {
  const bucket = 'redis_pool_command_duration_seconds_bucket';
  return `# HELP redis_pool_commands_total Replies handed out.
# TYPE redis_pool_commands_total counter
redis_pool_commands_total{pool="plimsoll"} ${commands}
redis_pool_connections_max{pool="plimsoll"} 40
redis_pool_connections_in_use{pool="plimsoll"} ${inUse}
redis_pool_errors_total{pool="plimsoll",code="COMMAND_TIMEOUT"} 3
redis_pool_breaker_open{pool="plimsoll"} 0
redis_pool_endpoint_connections_open{pool="plimsoll",endpoint="redis:6379",role="primary"} 5
redis_pool_endpoint_up{pool="plimsoll",endpoint="redis:6379",role="primary"} 0
worker_redis_pool_connections_max{worker="7",pool="plimsoll"} 40
worker_redis_pool_commands_total{worker="7",pool="plimsoll"} ${commands}
${bucket}{pool="plimsoll",le="0.001"} ${fast}
${bucket}{pool="plimsoll",le="0.01"} ${commands}
${bucket}{pool="plimsoll",le="+Inf"} ${commands}
`;
}

describe('a scrape', () => {
  it('gives sums, rates and quantiles, with whatever stands in labels', () => {
    const before = new Scrape('a{x="1"} 5\na{x="2"} 5\n', 0);
    const now = new Scrape(
      'a{x="1"} 9 1700000000\na{x="2"} 5\nb{t="say \\"hi\\", {}"} 1e3\n',
      2_000,
    );
    expect(now.sum('a')).toBe(14);
    expect(now.sum('a', { x: '2' })).toBe(5);
    expect(now.sum('missing')).toBeUndefined();
    expect(now.samples('b')).toEqual([{ labels: { t: 'say "hi", {}' }, value: 1_000 }]);
    expect(rate(before, now, 'a')).toBe(2);
    expect(rate(now, new Scrape('a{x="1"} 1\n', 3_000), 'a'), 'after a restart').toBeUndefined();
  });

  it('takes quantiles of what came in between alone', () => {
    const before = new Scrape(scrapeText(1_000, 1_000), 0);
    const now = new Scrape(scrapeText(1_100, 1_050), 1_000);
    const name = 'redis_pool_command_duration_seconds';
    expect(quantile(before, now, name, 0.5)).toBeCloseTo(0.001);
    expect(quantile(before, now, name, 0.75)).toBeCloseTo(0.0055);
    expect(quantile(now, now, name, 0.5)).toBeUndefined();
  });
});

describe('the view of a service', () => {
  const before = new Scrape(scrapeText(1_000, 900), 0);
  const now = new Scrape(scrapeText(3_000, 2_900), 1_000);

  it('has utilisation, rates, servers and workers', () => {
    const view = serviceView('http://service/metrics', before, now);
    expect(view.gauges).toMatchObject([{ percent: 75, text: '75 %, 30 of 40 connections' }]);
    const text = textOf(view).join('\n');
    expect(text).toContain('commands     2,000/s');
    expect(text).toContain('COMMAND_TIMEOUT 3');
    expect(text).toMatch(/redis:6379 +primary +DOWN +5/);
    expect(text).toMatch(/7 +- % .* 2,000/);
  });

  it('shows no rate on the first look', () => {
    expect(textOf(serviceView('u', undefined, now)).join('\n')).toContain('commands     -/s');
  });
});

describe('the view of servers', () => {
  const look = (address: string, atMs: number, info: Record<string, string>) => {
    return { address, atMs, info: { redis_version: '7.4.0', ...info } };
  };
  const INFO = {
    connected_clients: '50',
    maxclients: '100',
    used_memory: '1048576',
    maxmemory: '0',
  };

  it('adds up several, and has the busiest commands by their time', () => {
    const stats = (get: number, keys: number) => ({
      ...INFO,
      total_commands_processed: String(get + keys),
      cmdstat_get: `calls=${get},usec=${get},usec_per_call=1`,
      cmdstat_keys: `calls=${keys},usec=${keys * 10_000},usec_per_call=10000`,
    });
    const before = [look('a:1', 0, stats(100, 1)), look('b:1', 0, stats(0, 0))];
    const now = [look('a:1', 2_000, stats(2_100, 21)), look('b:1', 2_000, stats(100, 0))];
    const view = redisView(before, now);
    expect(view.gauges).toMatchObject([
      { name: 'connections', percent: 50, text: '100 of 200' },
      { name: 'memory', percent: 0, text: '2 MiB of no maximum' },
    ]);
    expect(view.lines[0]![1]).toMatch(/^1,060\/s/);
    const [busiest, servers] = view.tables;
    expect(busiest!.rows).toEqual([
      ['KEYS', '10', '10,000', '10'],
      ['GET', '1,050', '1', '0.11'],
    ]);
    expect(servers!.rows.map(([address]) => address)).toEqual(['a:1', 'b:1']);
  });

  it('shows no rate after a restart', () => {
    const before = [look('a:1', 0, { ...INFO, total_commands_processed: '900' })];
    const now = [look('a:1', 1_000, { ...INFO, total_commands_processed: '5' })];
    expect(redisView(before, now).lines[0]![1]).toMatch(/^-\/s/);
  });
});

it('has the lines of the pool', () => {
  expect(LINES).toEqual({ warning: WARNING_PERCENT, alert: ALERT_PERCENT });
});

describe('the screen', () => {
  const gauge = { name: 'used', percent: 90, text: '90 %', warning: 60, alert: 80 };
  const view: View = {
    title: 'a title that is longer than the terminal is wide',
    gauges: [gauge],
    lines: [['commands', '1/s']],
    tables: [{ title: 'T', columns: ['a', 'b'], rows: [['x', '1']] }],
  };

  class Terminal extends EventEmitter {
    isTTY = true;
    columns = 20;
    rows = 4;
    written = '';
    write(text: string): void {
      this.written += text;
    }
  }

  it('stays within a terminal, and follows its size', () => {
    const terminal = new Terminal();
    const screen = openScreen(terminal, false);
    screen.show(view);
    const picture = () => terminal.written.slice(terminal.written.lastIndexOf('\u001b[H'));
    expect(picture().split('\r\n')).toHaveLength(4);
    expect(picture()).toContain('a title that is long\u001b[K');
    Object.assign(terminal, { columns: 60, rows: 30 });
    terminal.emit('resize');
    expect(picture()).toContain('longer than the terminal is wide');
    expect(picture()).toContain('x  1');
    screen.close();
    terminal.written = '';
    terminal.emit('resize');
    expect(terminal.written).toBe('');
  });

  it('shortens bars before it cuts what stands behind them', () => {
    const terminal = Object.assign(new Terminal(), { columns: 40, rows: 10 });
    openScreen(terminal, false).show(view);
    expect(terminal.written).toMatch(/used {9}█{19,20}[│·]* 90 %/);
  });

  it('colours by the lines, where colours are wanted', () => {
    const terminal = new Terminal();
    openScreen(terminal, true).show(view);
    expect(terminal.written).toContain('\u001b[31mused');
  });

  it('writes whole pictures without escape sequences into a pipe', () => {
    let written = '';
    const screen = openScreen({ write: (text) => (written += text) }, true);
    screen.show(view);
    screen.show(view, 'No answer');
    expect(written).not.toContain('\u001b');
    expect(written.split(view.title)).toHaveLength(3);
    expect(written).toContain('No answer');
  });
});
