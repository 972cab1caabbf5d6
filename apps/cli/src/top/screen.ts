// A view as lines of text, as wide and as high as there is room. On a terminal the picture stays in
// place and follows its size; in a pipe one picture follows the other, without any escape sequence.

import { styleText } from 'node:util';
import type { Output } from '../command.js';
import type { Gauge, Table, View } from './view.js';

type Style = 'bold' | 'green' | 'yellow' | 'red' | 'dim';

interface Line {
  readonly text: string;
  readonly style?: Style;
}

const NAME_WIDTH = 12;
const BAR_WIDTH = 40;
const LEAST_BAR_WIDTH = 10;
const DEFAULT_ROWS = 24;
const DEFAULT_COLUMNS = 80;
const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const ERASE_LINE = '\u001b[K';
const ERASE_BELOW = '\u001b[J';

/** All lines of a view, however many there are. @param columns What bars make room in. */
export function linesOf(view: View, note?: string, columns = Infinity): Line[] {
  return [
    { text: view.title, style: 'bold' },
    ...(note === undefined ? [] : [{ text: note, style: 'red' } as const]),
    { text: '' },
    ...view.gauges.map((gauge) => gaugeLine(gauge, columns)),
    ...view.lines.map(([name, text]) => ({ text: `${name.padEnd(NAME_WIDTH)} ${text}` })),
    ...view.tables.flatMap(tableLines),
  ];
}

function gaugeLine({ name, percent, text, warning, alert }: Gauge, columns: number): Line {
  const room = columns - NAME_WIDTH - text.length - 2;
  const width = Math.max(LEAST_BAR_WIDTH, Math.min(BAR_WIDTH, room));
  const filled = Math.round((Math.min(100, percent) * width) / 100);
  const marks = [warning, alert].map((mark) => Math.round((mark * width) / 100));
  const bar = Array.from({ length: width }, (_, at) =>
    at < filled ? '█' : marks.includes(at) ? '│' : '·',
  );
  const style = percent > alert ? 'red' : percent > warning ? 'yellow' : 'green';
  return { text: `${name.padEnd(NAME_WIDTH)} ${bar.join('')} ${text}`, style };
}

function tableLines({ title, columns, rows }: Table): Line[] {
  const widths = columns.map((column, at) =>
    Math.max(column.length, ...rows.map((row) => (row[at] ?? '').length)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)))
      .join('  ');
  return [
    { text: '' },
    { text: title, style: 'bold' },
    { text: line(columns), style: 'dim' },
    ...rows.map((row) => ({ text: line(row) })),
  ];
}

export interface Screen {
  /** @param note What is wrong, above all else. */
  show(view: View, note?: string): void;
  close(): void;
}

export function openScreen(output: Output, isColored: boolean): Screen {
  return output.isTTY === true ? new TerminalScreen(output, isColored) : new PipeScreen(output);
}

class PipeScreen implements Screen {
  readonly #output: Output;
  #isFirst = true;

  constructor(output: Output) {
    this.#output = output;
  }

  show(view: View, note?: string): void {
    const text = linesOf(view, note)
      .map((line) => line.text.trimEnd())
      .join('\n');
    this.#output.write(`${this.#isFirst ? '' : '\n'}${text}\n`);
    this.#isFirst = false;
  }

  close(): void {}
}

class TerminalScreen implements Screen {
  readonly #output: Output;
  readonly #isColored: boolean;
  #last: { readonly view: View; readonly note: string | undefined } | undefined;
  readonly #redraw = () => {
    if (this.#last !== undefined) this.#draw(this.#last.view, this.#last.note);
  };

  constructor(output: Output, isColored: boolean) {
    this.#output = output;
    this.#isColored = isColored;
    output.write(ENTER);
    output.on?.('resize', this.#redraw);
  }

  show(view: View, note?: string): void {
    this.#last = { view, note };
    this.#draw(view, note);
  }

  close(): void {
    this.#output.off?.('resize', this.#redraw);
    this.#output.write(LEAVE);
  }

  #draw(view: View, note: string | undefined): void {
    const { columns = DEFAULT_COLUMNS, rows = DEFAULT_ROWS } = this.#output;
    const lines = linesOf(view, note, columns)
      .slice(0, Math.max(1, rows - 1))
      .map(({ text, style }) => {
        // A line that wraps would push the others off the screen.
        const shown = text.slice(0, columns);
        const isPlain = style === undefined || !this.#isColored;
        return isPlain ? shown : styleText(style, shown, { validateStream: false });
      });
    const picture = lines.map((line) => `${line}${ERASE_LINE}\r\n`).join('');
    this.#output.write(`${HOME}${picture}${ERASE_BELOW}`);
  }
}
