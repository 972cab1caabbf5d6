// A chart of some lines over time, drawn by uPlot. It has a legend in text with the newest values, or
// those under the pointer, and a sentence for those who don't see it. Lines differ by dash as well as by
// colour.

import type uPlot from 'uplot';
import { element, setText } from './dom.js';
import { clock } from './format.js';

const Plot = (globalThis as unknown as { uPlot: typeof uPlot }).uPlot;
const SVG = 'http://www.w3.org/2000/svg';
/** Room for the next grow of a line that is at the top. */
const HEADROOM = 1.08;
/** The least that an axis of time shows, s. */
const SHORTEST_S = 60;

export interface Line<Key extends string> {
  readonly key: Key;
  readonly label: string;
  /** A colour of the style sheet. */
  readonly color: string;
  readonly dash?: number[];
  readonly isFilled?: boolean;
}

/** A level that is looked out for. */
export interface Mark {
  readonly value: number;
  readonly color: string;
}

export interface Drawing<Key extends string> {
  readonly title: string;
  readonly unit: string;
  /** The scale shows at least so much. */
  readonly atLeast: number;
  readonly lines: readonly Line<Key>[];
  readonly format: (value: number) => string;
  readonly marks?: readonly Mark[];
}

export type Columns<Key extends string> = Readonly<Record<Key | 'timeMs', readonly number[]>>;

export class Chart<Key extends string> {
  readonly #holder = element('div');
  readonly #values: HTMLElement[];
  readonly #drawing: Drawing<Key>;
  readonly #height: number;
  #plot: uPlot | undefined;
  #spanS: number | undefined;
  #isSeen = true;

  /** @param height In CSS pixels. */
  constructor(drawing: Drawing<Key>, parent: HTMLElement, height: number) {
    this.#drawing = drawing;
    this.#height = height;
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
    new IntersectionObserver(([entry]) => {
      this.#isSeen = entry?.isIntersecting ?? true;
      if (this.#isSeen && this.#plot !== undefined) this.#plot.setData(this.#plot.data);
    }).observe(this.#holder);
  }

  /** @param spanS How much of the end is shown; undefined: all. */
  show(columns: Columns<Key>, spanS: number | undefined): void {
    this.#spanS = spanS;
    const times = columns.timeMs.map((timeMs) => timeMs / 1000);
    const lines = this.#drawing.lines.map(({ key }) => columns[key] as number[]);
    // Out of sight it isn't drawn, though its legend and its sentence are as of now.
    this.#plot?.setData([times, ...lines], this.#isSeen);
    this.#tell();
  }

  fit(): void {
    this.#plot?.setSize({ width: this.#width(), height: this.#height });
  }

  /** Anew, in the colours of the moment. */
  draw(): void {
    this.#plot?.destroy();
    const { lines, atLeast } = this.#drawing;
    const axis = {
      stroke: colorOf('--faint'),
      font: '12px system-ui, sans-serif',
      grid: { stroke: colorOf('--line'), width: 1 },
      ticks: { show: false },
    };
    const options: uPlot.Options = {
      width: this.#width(),
      height: this.#height,
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
      hooks: { setCursor: [() => this.#tell()], drawAxes: [(plot) => this.#mark(plot)] },
    };
    this.#plot = new Plot(options, [[], ...lines.map(() => [])], this.#holder);
  }

  #mark({ ctx, bbox, valToPos }: uPlot): void {
    for (const { value, color } of this.#drawing.marks ?? []) {
      const y = Math.round(valToPos(value, 'y', true));
      ctx.save();
      ctx.strokeStyle = colorOf(color);
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.restore();
    }
  }

  #key({ label, color, dash }: Line<Key>, index: number): HTMLElement {
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

  /** What has just begun shows its seconds at the left of a minute. */
  #range(first: number, last: number): [number, number] {
    const end = last ?? Date.now() / 1000;
    const start = first ?? end;
    if (this.#spanS === undefined) return [start, Math.max(end, start + SHORTEST_S)];
    return [end - this.#spanS, end];
  }

  /** The values under the pointer, else the newest. */
  #tell(): void {
    const plot = this.#plot;
    if (plot === undefined) return;
    const index = plot.cursor.idx ?? plot.data[0].length - 1;
    const texts = this.#drawing.lines.map((_, line) => {
      const value = plot.data[line + 1]?.[index];
      return typeof value === 'number' ? this.#drawing.format(value) : '–';
    });
    for (const [line, text] of texts.entries()) setText(this.#values[line]!, text);
    const { title, unit, lines } = this.#drawing;
    const parts = lines.map(({ label }, line) => `${label} ${texts[line]}`).join(', ');
    this.#holder.setAttribute('aria-label', `Chart: ${title} ${unit}; ${parts}`);
  }
}

function seriesOf({ label, color, dash, isFilled }: Line<string>): uPlot.Series {
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
