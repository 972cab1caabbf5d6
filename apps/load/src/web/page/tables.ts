// The tables: requests, which can be sorted, failures and exceptions.

import type { ExceptionRow, FailureRow, RequestRow, Tables } from '../messages.js';
import { byId, element, fillList, setClass, setText } from './dom.js';
import { measure, percent, whole } from './format.js';

interface Column<Row> {
  readonly heading: string;
  /** What is sorted by; a column without it isn't sorted. */
  readonly value?: (row: Row) => number | string;
  readonly text: (row: Row) => string;
  readonly className?: (row: Row) => string;
  readonly isText?: boolean;
}

const REQUESTS: readonly Column<RequestRow>[] = [
  {
    heading: 'Request',
    value: nameOf,
    text: nameOf,
    className: () => 'text',
    isText: true,
  },
  { heading: 'Count', value: (row) => row.count, text: (row) => whole(row.count) },
  {
    heading: 'Failures',
    value: (row) => row.failures,
    text: (row) => whole(row.failures),
    className: badIf,
  },
  {
    heading: 'Failed',
    value: (row) => row.failures / Math.max(1, row.count),
    text: (row) => percent(row.failures, row.count),
    className: badIf,
  },
  { heading: 'Requests/s', value: (row) => row.rps, text: (row) => measure(row.rps) },
  { heading: 'Median', value: (row) => row.p50, text: (row) => measure(row.p50) },
  { heading: '95 %', value: (row) => row.p95, text: (row) => measure(row.p95) },
  { heading: '99 %', value: (row) => row.p99, text: (row) => measure(row.p99) },
  { heading: 'Mean', value: (row) => row.mean, text: (row) => measure(row.mean) },
  { heading: 'Min', value: (row) => row.min, text: (row) => measure(row.min) },
  { heading: 'Max', value: (row) => row.max, text: (row) => measure(row.max) },
  { heading: 'Bytes', value: (row) => row.meanBytes, text: (row) => whole(row.meanBytes) },
];

const FAILURES: readonly Column<FailureRow>[] = [
  { heading: 'Count', text: (row) => whole(row.occurrences) },
  { heading: 'Request', text: nameOf, className: () => 'text', isText: true },
  { heading: 'Error', text: (row) => row.error, className: () => 'text wrap', isText: true },
];

const EXCEPTIONS: readonly Column<ExceptionRow>[] = [
  { heading: 'Count', text: (row) => whole(row.count) },
  {
    heading: 'Message',
    text: (row) => row.message,
    className: () => 'text wrap',
    isText: true,
  },
];

export class TablesView {
  readonly #requests = new Table(byId('requests'), REQUESTS, 'Times in ms, over the whole run');
  readonly #failures = new Table(byId('failures'), FAILURES);
  readonly #exceptions = new Table(byId('exceptions'), EXCEPTIONS);

  show({ rows, aggregated, failures, exceptions, unlisted }: Tables): void {
    this.#requests.show(rows, aggregated, unlisted.rows);
    this.#failures.show(failures, undefined, unlisted.failures);
    this.#exceptions.show(exceptions, undefined, unlisted.exceptions);
    const count = failures.length + unlisted.failures;
    setText(byId('failures-title'), count === 0 ? 'Failures' : `Failures (${whole(count)} kinds)`);
    fillTracebacks(exceptions);
  }
}

/** A table of text cells, with a row of all at its end where there is one. */
class Table<Row> {
  readonly #head = element('tr');
  readonly #body = element('tbody');
  readonly #table: HTMLTableElement;
  readonly #none = element('p', 'faint', 'None.');
  readonly #more = element('p', 'faint note');
  #sorted: { column: Column<Row>; isDescending: boolean } | undefined;
  #show = () => {};

  constructor(
    holder: HTMLElement,
    private readonly columns: readonly Column<Row>[],
    caption?: string,
  ) {
    for (const column of columns) this.#head.append(this.#heading(column));
    this.#table = element('table', '', element('thead', '', this.#head), this.#body);
    if (caption !== undefined) this.#table.prepend(element('caption', 'hidden', caption));
    // A wide table is scrolled with the keyboard too.
    holder.tabIndex = 0;
    holder.setAttribute('role', 'region');
    holder.setAttribute('aria-labelledby', `${holder.id}-title`);
    holder.append(this.#none, this.#table, this.#more);
  }

  show(rows: readonly Row[], all: Row | undefined, unlisted: number): void {
    this.#show = () => {
      this.#none.hidden = rows.length > 0;
      this.#table.hidden = rows.length === 0;
      this.#more.hidden = unlisted === 0;
      setText(this.#more, `${whole(unlisted)} more are in the file.`);
      const shown = [...this.#inOrder(rows), ...(all === undefined ? [] : [all])];
      fillList(
        this.#body,
        shown,
        () => this.#createRow(),
        (line, row) => {
          setClass(line, row === all ? 'all' : '');
          for (const [index, { text, className }] of this.columns.entries()) {
            const cell = line.children[index] as HTMLElement;
            setText(cell, text(row));
            setClass(cell, className?.(row) ?? '');
          }
        },
      );
    };
    this.#show();
  }

  #createRow(): HTMLTableRowElement {
    return element('tr', '', ...this.columns.map(() => element('td')));
  }

  #heading(column: Column<Row>): HTMLElement {
    // A heading stands as its column does.
    const heading = element('th', column.isText ? 'text' : '');
    heading.scope = 'col';
    if (column.value === undefined) {
      heading.append(column.heading);
      return heading;
    }
    const button = element('button', '', column.heading);
    button.type = 'button';
    button.addEventListener('click', () => this.#sortBy(column, heading));
    heading.append(button);
    return heading;
  }

  #sortBy(column: Column<Row>, heading: HTMLElement): void {
    const isSame = this.#sorted?.column === column;
    const isDescending = isSame ? !this.#sorted!.isDescending : column.heading !== 'Request';
    this.#sorted = { column, isDescending };
    for (const other of this.#head.children) other.removeAttribute('aria-sort');
    heading.setAttribute('aria-sort', isDescending ? 'descending' : 'ascending');
    this.#show();
  }

  #inOrder(rows: readonly Row[]): readonly Row[] {
    if (this.#sorted === undefined) return rows;
    const { column, isDescending } = this.#sorted;
    const sortedBy = column.value!;
    const sign = isDescending ? -1 : 1;
    return [...rows].sort((left, right) => {
      const [one, other] = [sortedBy(left), sortedBy(right)];
      return one === other ? 0 : one < other ? -sign : sign;
    });
  }
}

/** Tracebacks below the table, closed until somebody opens them. */
function fillTracebacks(exceptions: readonly ExceptionRow[]): void {
  const holder = byId('tracebacks');
  const known = exceptions.filter(({ traceback }) => traceback !== '');
  const create = () => element('details', '', element('summary'), element('pre'));
  fillList(holder, known, create, (details, { message, traceback }) => {
    setText(details.children[0] as HTMLElement, `Traceback of “${message}”`);
    setText(details.children[1] as HTMLElement, traceback);
  });
}

function nameOf({ method, name }: { method: string; name: string }): string {
  return `${method} ${name}`.trim();
}

function badIf({ failures }: RequestRow): string {
  return failures > 0 ? 'bad' : '';
}
