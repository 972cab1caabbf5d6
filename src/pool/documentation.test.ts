// docs/status.md has every event, counter and field that the code has.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Statistics } from '../node/statistics.js';

const page = readFileSync(new URL('../../docs/status.md', import.meta.url), 'utf8');

function propertiesIn(file: string, pattern: RegExp): string[] {
  const text = readFileSync(new URL(file, import.meta.url), 'utf8');
  return [...text.matchAll(pattern)].map((match) => match[1] as string);
}

describe('docs/status.md', () => {
  it('names every event', () => {
    const files = ['./events.ts', '../node/events.ts', '../topology/failover.ts'];
    const events = files.flatMap((file) => propertiesIn(file, /^ {2}(\w+): \[/gm));
    expect(events).toEqual(expect.arrayContaining(['alert', 'breakerOpen']));
    expect(events.filter((event) => !page.includes(`| \`${event}\` |`))).toEqual([]);
  });

  it('names every field and counter of the status', () => {
    const files = ['./snapshot.ts', './growth.ts', '../topology/failover.ts'];
    const fields = files.flatMap((file) => propertiesIn(file, /^ +readonly (\w+):/gm));
    expect(fields).toContain('healthCheckFailures');
    const internal = ['nodes', 'serving', 'statistics', 'now', 'minConnections', 'maxConnections'];
    const isMissing = (field: string) => !new RegExp(`[\`.]${field}\``).test(page);
    const outer = fields.filter((field) => !internal.includes(field) && field !== 'connections');
    const nested = ['counters', 'code', 'message'];
    expect(outer.filter((field) => !nested.includes(field)).filter(isMissing)).toEqual([]);
  });

  it('names every reason of an eviction', () => {
    const reasons = Object.keys(new Statistics().evictions);
    expect(reasons.filter((reason) => !page.includes(`\`${reason}\``))).toEqual([]);
  });
});
