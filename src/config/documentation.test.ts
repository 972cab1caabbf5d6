// Holds docs/configuration.md to the code: every option and variable, each default and range.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PRESETS } from '../policy/sizing.js';
import {
  AUTOSCALE_CHECKS,
  BREAKER_CHECKS,
  CLUSTER_CHECKS,
  ENDPOINT_CHECKS,
  FAILOVER_CHECKS,
  OPTION_CHECKS,
  RETRY_CHECKS,
  SENTINEL_CHECKS,
  TRACING_CHECKS,
} from './checks.js';
import { DEFAULT_WEIGHT, DEFAULTS } from './defaults.js';
import { ENVIRONMENT_VARIABLES } from './environment.js';
import { formatNumber, NUMBER_RANGES, WEIGHT_RANGE } from './ranges.js';

const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');

/** Cells of each table row, without the backticks. */
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '')),
  );

const OPTION_COLUMNS = 6;
const optionRows = rows.filter(
  (row) => row.length === OPTION_COLUMNS && !['Option', '---'].includes(row[0]!),
);
const variableRows = rows.filter((row) => row.length === 3 && /^[A-Z]/.test(row[0]!));

const INTERNAL = ['clock'];
const GROUPS = ['autoscale', 'retry', 'breaker', 'sentinel', 'cluster', 'failover', 'tracing'];
const optionNames = [
  ...Object.keys(CLUSTER_CHECKS).map((name) => `cluster.${name}`),
  ...Object.keys(OPTION_CHECKS).filter((name) => !GROUPS.includes(name)),
  // The others are those of the same name.
  ...Object.keys(ENDPOINT_CHECKS)
    .filter((name) => !(name in OPTION_CHECKS))
    .map((name) => `endpoints[].${name}`),
  ...Object.keys(FAILOVER_CHECKS).map((name) => `failover.${name}`),
  ...Object.keys(SENTINEL_CHECKS).map((name) => `sentinel.${name}`),
  ...Object.keys(AUTOSCALE_CHECKS).map((name) => `autoscale.${name}`),
  ...Object.keys(RETRY_CHECKS).map((name) => `retry.${name}`),
  ...Object.keys(TRACING_CHECKS).map((name) => `tracing.${name}`),
  ...Object.keys(BREAKER_CHECKS).map((name) => `breaker.${name}`),
].filter((name) => !INTERNAL.includes(name));

/** The cell of an option's row. */
function cell(option: string, column: number): string {
  const row = optionRows.find(([name]) => name === option);
  return row?.[column] ?? `(${option} is missing)`;
}

describe('docs/configuration.md', () => {
  it('has exactly the options that the code has', () => {
    expect(optionRows.map(([name]) => name).sort()).toEqual(optionNames.sort());
  });

  it('has exactly the environment variables that the code reads', () => {
    const variables = variableRows.map(([name]) => name).filter((name) => name !== 'Variable');
    expect(variables.sort()).toEqual([...ENVIRONMENT_VARIABLES].sort());
  });

  it('names each variable beside an option', () => {
    const named = optionRows.flatMap((row) => row[4]!.split(', ')).filter((name) => name !== '');
    expect(named.sort()).toEqual([...ENVIRONMENT_VARIABLES].sort());
  });

  it('gives the range of every number', () => {
    const ranges = { ...NUMBER_RANGES, 'endpoints[].weight': WEIGHT_RANGE };
    for (const [option, { least, most }] of Object.entries(ranges)) {
      expect(cell(option, 1)).toContain(`${formatNumber(least)} to ${formatNumber(most)}`);
    }
  });

  it('gives the default of every option that has a fixed one', () => {
    const { autoscale, retry, breaker, failover, tracing, ...plain } = DEFAULTS;
    const nested = Object.entries({ autoscale, retry, breaker, failover, tracing }).flatMap(
      ([group, defaults]) =>
        Object.entries(defaults).map(([name, value]) => [`${group}.${name}`, value] as const),
    );
    for (const [option, value] of [
      ...Object.entries(plain),
      ...nested,
      ['endpoints[].weight', DEFAULT_WEIGHT] as const,
    ]) {
      const written = typeof value === 'number' ? formatNumber(value) : String(value);
      expect([option, cell(option, 3)]).toEqual([option, written]);
    }
  });

  it('gives milliseconds as the unit of every option that ends in Ms', () => {
    const units = optionNames.filter((name) => name.endsWith('Ms')).map((name) => cell(name, 2));
    expect(new Set(units)).toEqual(new Set(['ms']));
  });

  it('has the presets as the code has them', () => {
    for (const [name, preset] of Object.entries(PRESETS)) {
      expect(rows).toContainEqual([name, ...Object.values(preset).map(formatNumber)]);
    }
  });
});

describe('options.ts', () => {
  it('is in the table of checks, name by name', () => {
    const source = readFileSync(new URL('options.ts', import.meta.url), 'utf8');
    const declared = ['PoolOptions', 'ClientOptionsSubset'].flatMap((name) => {
      const body = source.split(`export interface ${name} {`)[1]!.split('\n}')[0]!;
      return [...body.matchAll(/^ {2}(\w+)\?:/gm)].map((match) => match[1]);
    });
    expect(declared.sort()).toEqual(Object.keys(OPTION_CHECKS).sort());
  });
});
