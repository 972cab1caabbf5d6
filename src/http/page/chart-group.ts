// Charts that share their time and their columns: fitted to the page, redrawn when light becomes dark,
// and showing as much of the past as the reader chooses.

import { Chart, type Columns, type Drawing } from './chart.js';

export class ChartGroup<Key extends string> {
  readonly #charts: readonly Chart<Key>[];
  #columns: Columns<Key> | undefined;
  #spanS: number | undefined;

  /** @param span Its value is how many seconds are shown; empty: all. */
  constructor(
    drawings: readonly Drawing<Key>[],
    holder: HTMLElement,
    span: HTMLSelectElement,
    height: number,
  ) {
    this.#charts = drawings.map((drawing) => new Chart(drawing, holder, height));
    new ResizeObserver(() => {
      for (const chart of this.#charts) chart.fit();
    }).observe(holder);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#redraw());
    const choose = () => {
      this.#spanS = span.value === '' ? undefined : Number(span.value);
      this.#show();
    };
    span.addEventListener('change', choose);
    choose();
  }

  get length(): number {
    return this.#columns?.timeMs.length ?? 0;
  }

  show(columns: Columns<Key>): void {
    this.#columns = columns;
    this.#show();
  }

  #show(): void {
    if (this.#columns === undefined) return;
    for (const chart of this.#charts) chart.show(this.#columns, this.#spanS);
  }

  #redraw(): void {
    for (const chart of this.#charts) chart.draw();
    this.#show();
  }
}
