// The charts, drawn by uPlot. Each has a legend in text with the newest values, or those under the
// pointer, and a sentence for those who don't see it. Lines differ by dash as well as by colour.

import type uPlot from 'uplot';
import type { Samples } from '../messages.js';
import { byId, element, setText } from './dom.js';
import { clock, measure, whole } from './format.js';

const Plot = (globalThis as unknown as { uPlot: typeof uPlot }).uPlot;
const HEIGHT = 220;
const SVG = 'http://www.w3.org/2000/svg';
/** Room for the next grow of a line that is at the top. */
const HEADROOM = 1.08;

interface Line {
  readonly key: keyof Samples;
  readonly label: string;
  /** A colour of the style sheet. */
  readonly color: string;
  readonly dash?: number[];
  readonly isFilled?: boolean;
}

interface Drawing {
  readonly title: string;
  readonly unit: string;
  /** The scale shows at least so much. */
  readonly atLeast: number;
  readonly lines: readonly Line[];
  readonly format: (value: number) => string;
}

const DRAWINGS: readonly Drawing[] = [
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
  #charts: Chart[] = [];
  #samples: Samples | undefined;
  #spanS: number | undefined;

  constructor() {
    const holder = byId('charts');
    const figures = DRAWINGS.map((drawing) => new Chart(drawing, holder));
    this.#charts = figures;
    new ResizeObserver(() => {
      for (const chart of figures) chart.fit();
    }).observe(holder);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#redraw());
    const span = byId<HTMLSelectElement>('span');
    span.addEventListener('change', () => {
      this.#spanS = span.value === '' ? undefined : Number(span.value);
      this.#show();
    });
  }

  get length(): number {
    return this.#samples?.timeMs.length ?? 0;
  }

  show(samples: Samples): void {
    this.#samples = samples;
    this.#show();
  }

  add(sample: Record<keyof Samples, number>): void {
    if (this.#samples === undefined) return;
    for (const key of Object.keys(sample) as (keyof Samples)[]) {
      this.#samples[key].push(sample[key]);
    }
    this.#show();
  }

  #show(): void {
    if (this.#samples === undefined) return;
    for (const chart of this.#charts) chart.show(this.#samples, this.#spanS);
  }

  #redraw(): void {
    for (const chart of this.#charts) chart.draw();
    this.#show();
  }
}

class Chart {
  readonly #holder = element('div');
  readonly #values: HTMLElement[];
  #plot: uPlot | undefined;
  #spanS: number | undefined;

  constructor(
    private readonly drawing: Drawing,
    parent: HTMLElement,
  ) {
    this.#values = drawing.lines.map(() => element('b'));
    const legend = element(
      'span',
      'legend',
      ...drawing.lines.map((line, index) => this.#key(line, index)),
    );
    const title = element('span', '', drawing.title);
    if (drawing.unit !== '') title.append(', ', drawing.unit);
    this.#holder.setAttribute('role', 'img');
    parent.append(
      element('figure', 'card', element('figcaption', '', title, legend), this.#holder),
    );
    this.draw();
  }

  show(samples: Samples, spanS: number | undefined): void {
    this.#spanS = spanS;
    const times = samples.timeMs.map((timeMs) => timeMs / 1000);
    const lines = this.drawing.lines.map(({ key }) => samples[key]);
    this.#plot?.setData([times, ...lines]);
    this.#tell();
  }

  fit(): void {
    this.#plot?.setSize({ width: this.#width(), height: HEIGHT });
  }

  /** Anew, in the colours of the moment. */
  draw(): void {
    this.#plot?.destroy();
    const { lines, atLeast } = this.drawing;
    const axis = {
      stroke: colorOf('--faint'),
      font: '12px system-ui, sans-serif',
      grid: { stroke: colorOf('--line'), width: 1 },
      ticks: { show: false },
    };
    const options: uPlot.Options = {
      width: this.#width(),
      height: HEIGHT,
      legend: { show: false },
      cursor: { sync: { key: 'run' }, drag: { x: false, y: false }, y: false },
      scales: {
        x: { range: (_plot, first, last) => this.#range(first, last) },
        y: { range: (_plot, _low, high) => [0, Math.max(atLeast, (high ?? 0) * HEADROOM)] },
      },
      axes: [
        {
          ...axis,
          size: 30,
          space: 90,
          values: (_plot, times) => times.map((s) => clock(s * 1000)),
        },
        { ...axis, size: 52, values: (_plot, values) => values.map(axisNumber) },
      ],
      series: [{}, ...lines.map(seriesOf)],
      hooks: { setCursor: [() => this.#tell()] },
    };
    this.#plot = new Plot(options, [[], ...lines.map(() => [])], this.#holder);
  }

  #key({ label, color, dash }: Line, index: number): HTMLElement {
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', '0 0 28 12');
    svg.setAttribute('aria-hidden', 'true');
    const stroke = document.createElementNS(SVG, 'path');
    const attributes = { d: 'M0 6h28', stroke: `var(${color})`, 'stroke-width': '3' };
    for (const [name, value] of Object.entries(attributes)) stroke.setAttribute(name, value);
    if (dash !== undefined) stroke.setAttribute('stroke-dasharray', dash.join(' '));
    svg.append(stroke);
    return element('span', '', svg, `${label} `, this.#values[index]!);
  }

  #width(): number {
    return Math.max(200, this.#holder.clientWidth);
  }

  /** A run that has just begun shows its seconds at the left of a minute. */
  #range(first: number, last: number): [number, number] {
    const end = last ?? Date.now() / 1000;
    const start = first ?? end;
    if (this.#spanS === undefined) return [start, Math.max(end, start + 60)];
    return [end - this.#spanS, end];
  }

  /** The values under the pointer, else the newest. */
  #tell(): void {
    const plot = this.#plot;
    if (plot === undefined) return;
    const index = plot.cursor.idx ?? plot.data[0].length - 1;
    const texts = this.drawing.lines.map((_, line) => {
      const value = plot.data[line + 1]?.[index];
      return typeof value === 'number' ? this.drawing.format(value) : '–';
    });
    for (const [line, text] of texts.entries()) setText(this.#values[line]!, text);
    const { title, unit, lines } = this.drawing;
    const parts = lines.map(({ label }, line) => `${label} ${texts[line]}`).join(', ');
    this.#holder.setAttribute('aria-label', `Chart: ${title} ${unit}; ${parts}`);
  }
}

function seriesOf({ label, color, dash, isFilled }: Line): uPlot.Series {
  const stroke = colorOf(color);
  return {
    label,
    stroke,
    width: 2,
    points: { show: false },
    ...(dash === undefined ? {} : { dash }),
    ...(isFilled ? { fill: `${stroke}22` } : {}),
  };
}

function colorOf(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function axisNumber(value: number): string {
  if (value >= 1_000_000) return `${value / 1_000_000} M`;
  return value >= 10_000 ? `${value / 1000} k` : String(value);
}
