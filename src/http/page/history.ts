// The charts of the last ten minutes.

import type { LoadLines, Sample, Samples } from '../dashboard/messages.js';
import type { Drawing } from './chart.js';
import { ChartGroup } from './chart-group.js';
import { byId } from './dom.js';
import { measure, whole } from './format.js';

const CHART_HEIGHT = 170;
const MAX_SAMPLES = 600;

const UTILIZATION: Drawing<keyof Samples> = {
  title: 'Utilisation',
  unit: '%',
  atLeast: 100,
  format: whole,
  lines: [{ key: 'utilizationPercent', label: 'in use', color: '--one', isFilled: true }],
};

const DRAWINGS: readonly Drawing<keyof Samples>[] = [
  {
    title: 'Commands and errors',
    unit: 'per second',
    atLeast: 10,
    format: measure,
    lines: [
      { key: 'commandsPerS', label: 'commands', color: '--one', isFilled: true },
      { key: 'errorsPerS', label: 'errors', color: '--bad', dash: [6, 3] },
    ],
  },
  {
    title: 'From call to reply',
    unit: 'ms',
    atLeast: 1,
    format: (value) => (value < 10 ? value.toFixed(2) : measure(value)),
    lines: [
      { key: 'p50', label: 'median', color: '--one' },
      { key: 'p95', label: '95 %', color: '--two', dash: [8, 3] },
      { key: 'p99', label: '99 %', color: '--three', dash: [2, 3] },
    ],
  },
  {
    title: 'Callers',
    unit: '',
    atLeast: 10,
    format: whole,
    lines: [
      { key: 'inFlight', label: 'in flight', color: '--one', isFilled: true },
      { key: 'waiting', label: 'waiting', color: '--bad', dash: [6, 3] },
    ],
  },
];

/** To be made when there is something to show: a chart needs its width. */
export class History {
  readonly #charts: ChartGroup<keyof Samples>;
  #samples: Samples | undefined;

  constructor({ warningPercent, alertPercent }: LoadLines) {
    const marks = [
      { value: warningPercent, color: '--warn-line' },
      { value: alertPercent, color: '--bad' },
    ];
    const drawings = [{ ...UTILIZATION, marks }, ...DRAWINGS];
    const span = byId<HTMLSelectElement>('span');
    this.#charts = new ChartGroup(drawings, byId('charts'), span, CHART_HEIGHT);
  }

  show(samples: Samples): void {
    this.#samples = samples;
    this.#charts.show(samples);
  }

  add(sample: Sample): void {
    if (this.#samples === undefined) return;
    for (const [key, column] of Object.entries(this.#samples) as [keyof Samples, number[]][]) {
      column.push(sample[key]);
      if (column.length > MAX_SAMPLES) column.shift();
    }
    this.#charts.show(this.#samples);
  }
}
