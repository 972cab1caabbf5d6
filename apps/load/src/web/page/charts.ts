// The charts of a run.

import type { Samples } from '../messages.js';
import type { Drawing } from './chart.js';
import { ChartGroup } from './chart-group.js';
import { byId } from './dom.js';
import { measure, whole } from './format.js';

const HEIGHT = 220;

const DRAWINGS: readonly Drawing<keyof Samples>[] = [
  {
    title: 'Requests and failures',
    unit: 'per second',
    atLeast: 1,
    format: measure,
    lines: [
      { key: 'rps', label: 'requests', color: '--one', isFilled: true },
      { key: 'failuresPerS', label: 'failures', color: '--bad', dash: [6, 3] },
    ],
  },
  {
    title: 'Response times',
    unit: 'ms',
    atLeast: 1,
    format: measure,
    lines: [
      { key: 'p50', label: 'median', color: '--one' },
      { key: 'p95', label: '95 %', color: '--two', dash: [8, 3] },
      { key: 'p99', label: '99 %', color: '--three', dash: [2, 3] },
    ],
  },
  {
    title: 'Users',
    unit: '',
    atLeast: 1,
    format: whole,
    lines: [{ key: 'users', label: 'users', color: '--one', isFilled: true }],
  },
  {
    title: "Load tester's CPU",
    unit: '% of a core',
    atLeast: 100,
    format: whole,
    lines: [{ key: 'generatorCpuPercent', label: 'busiest process', color: '--three' }],
  },
];

export class Charts {
  readonly #group = new ChartGroup(
    DRAWINGS,
    byId('charts'),
    byId<HTMLSelectElement>('span'),
    HEIGHT,
  );
  #samples: Samples | undefined;

  get length(): number {
    return this.#group.length;
  }

  show(samples: Samples): void {
    this.#samples = samples;
    this.#group.show(samples);
  }

  add(sample: Record<keyof Samples, number>): void {
    if (this.#samples === undefined) return;
    for (const key of Object.keys(sample) as (keyof Samples)[]) {
      this.#samples[key].push(sample[key]);
    }
    this.#group.show(this.#samples);
  }
}
