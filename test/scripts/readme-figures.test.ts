// The README claims what the committed reports say, and names what they say that failed.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import {
  benchFigures,
  readmeWithFigures,
  validationFigures,
  withFigures,
} from '../../scripts/readme-figures.js';

const ROOT = path.join(import.meta.dirname, '..', '..');

test('the README has the figures of the committed reports; else: npm run figures', () => {
  expect(readFileSync(path.join(ROOT, 'README.md'), 'utf8')).toBe(readmeWithFigures(ROOT));
});

test('the README claims no multiple of speed beside them', () => {
  const readme = readFileSync(path.join(ROOT, 'README.md'), 'utf8');
  const prose = readme.replace(/<!-- bench[\s\S]*?<!-- end of bench -->/, '');
  expect(prose).not.toMatch(/\d\s*(times|x) (slower|faster|as fast)/);
});

const RESULTS = `# Bench results

## Ratios

| what | measured | target | result | figures |
| --- | --: | --: | --: | --: |
| GET: against one | 3.68x | at least 1.8x | PASS | a : b |
| GET: CPU an op | 1.46x | at most 1.4x | **FAIL** | a : b |

## GET 100 B, 1 caller

| client | ops/s |
| --- | --: |
| peer | 500 |
| **Plimsoll** | 1,000 |

## GET 100 B, 1,000 callers

| client | ops/s |
| --- | --: |
| bare pipelined socket (floor) | 9,000 |
| **Plimsoll** | 6,000 |
| Plimsoll, maxInFlight 1 (40) | 400 |
| peer | 1,500 |
`;

test('ratios are by callers, for each peer, and rows that miss their target are named', () => {
  expect(benchFigures(RESULTS)).toBe(
    `| GET, times the throughput of | 1 caller | 1,000 callers |
| --- | ---: | ---: |
| peer | 2.0x | 4.0x |

Rows of that report that miss their target:
- GET: CPU an op: 1.46x, not at most 1.4x`,
  );
});

test('a report that failed is named with its rows and with what was measured again', () => {
  const text = `# Validation by load

**FAIL** · \`npm run validate\` · 2026-01-01

## stress

|  | expected | measured |  |
| --- | ---: | ---: | ---: |
| p50 | < 50 ms | 3 ms | PASS |
| p99 | < 800 ms | 900 ms | FAIL |

Measured 3 times, as the host took more than 3 % of the CPUs' time away.

## capacity

Plimsoll: 2 steps were measured again, as the host took more.
`;
  expect(
    validationFigures([['validation.md', text]])
      .split('\n')
      .at(-1),
  ).toBe(
    '| [validation.md](docs/validation.md), `npm run validate` | FAIL | stress, p99: 900 ms | ' +
      'stress: 3 attempts; capacity, Plimsoll: 2 steps |',
  );
});

test('figures need their place', () => {
  expect(() => withFigures('# A page', 'bench', 'x')).toThrow("no place for the figures 'bench'");
});
