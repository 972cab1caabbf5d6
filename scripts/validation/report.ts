// Writes down what a validation found: for people (Markdown, HTML) and for programs (JSON). The
// HTML page is one file without script or network.

import { textTable } from '../text-table.js';
import { LIKE_PRODUCTION, unlikeProduction } from './conditions.js';
import type { Row } from './verdict.js';

export interface Section {
  readonly title: string;
  /** How it was run, e.g. `5,000 users, 100 started a second, 90 s`. */
  readonly how: string;
  readonly rows: readonly Row[];
  /** Further tables, e.g. of the requests. */
  readonly details: readonly Table[];
  readonly notes: readonly string[];
  /** Why it could not run: nothing was judged then, and nothing passes. */
  readonly notRun?: string;
}

/** A section that could not run, in the place of its rows. */
export function notRun(title: string, reason: string): Section {
  return { title, how: 'not run', rows: [], details: [], notes: [], notRun: reason };
}

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface Validation {
  readonly startedAt: string;
  readonly command: string;
  readonly machine: string;
  readonly versions: string;
  /** Whether replicas of Redis could take over. */
  readonly isReplicated?: boolean;
  /** The phases found a service that had served the same kind of traffic before. */
  readonly isWarmedUp: boolean;
  /** Of users and time; below 1 the program is tried and the product not judged. */
  readonly scale: number;
  /** Titles of the sections that were asked for. */
  readonly planned: readonly string[];
  readonly sections: readonly Section[];
}

/**
 * FAIL: a row missed what it must reach. INCOMPLETE: none did, but something that was asked for did
 * not run. COMPARED: all ran, and none of it judges.
 */
export type Verdict = 'PASS' | 'FAIL' | 'INCOMPLETE' | 'COMPARED';

const VERDICT_COLUMNS = ['', 'expected', 'measured', ''] as const;
/** In the place of PASS where a row is no proof. */
const MET = 'met';
const NO_PROOF =
  'A row that is only *met* is required, and no proof: next to nothing could miss it. ' +
  'Who pipelines has few connections in use under any load.';

interface Conditions {
  readonly title: string;
  readonly items: readonly string[];
}

function conditionsOf({ isReplicated = false }: Validation): Conditions[] {
  return [
    { title: 'As in production', items: LIKE_PRODUCTION },
    { title: 'What differs from production', items: unlikeProduction(isReplicated) },
  ];
}

export function verdictOf(validation: Validation): Verdict {
  const rows = validation.sections.flatMap((section) => section.rows);
  if (rows.some(({ passed }) => !passed)) return 'FAIL';
  if (missing(validation).length > 0) return 'INCOMPLETE';
  return rows.some(({ isProof }) => isProof) ? 'PASS' : 'COMPARED';
}

/** What was asked for and did not run, with the reason. */
function missing({ planned, sections }: Validation): string[] {
  const reached = new Set(sections.map(({ title }) => title));
  return [
    ...sections.flatMap(({ title, notRun: reason }) =>
      reason === undefined ? [] : [`${title}: ${reason}`],
    ),
    ...planned.filter((title) => !reached.has(title)).map((title) => `${title}: not reached`),
  ];
}

/** All that the verdict doesn't show: rows that failed, sections that did not run, a trial. */
function remarks(validation: Validation): string[] {
  const failed = validation.sections.flatMap(({ title, rows }) =>
    rows
      .filter(({ passed }) => !passed)
      .map(({ what, expected, measured }) => `${title}, ${what}: ${measured}, not ${expected}`),
  );
  const unrun = missing(validation);
  return [
    ...(failed.length === 0 ? [] : [`Failed: ${failed.join('; ')}.`]),
    ...(unrun.length === 0 ? [] : [`Not run: ${unrun.join('; ')}.`]),
    ...(validation.scale === 1
      ? []
      : [`A trial at scale ${validation.scale}: it tries the program and judges nothing.`]),
  ];
}

/** The verdict table of a section, or the tables of one that judges nothing, for the terminal. */
export function toText({ title, how, rows, details, notes, notRun: reason }: Section): string {
  const tables = rows.length > 0 ? verdictTables(rows) : details;
  const lines = [`${title}: ${reason ?? how}`, ...tables.map(terminalTable)];
  return [...lines, ...notes.map((note) => `Note: ${note}`), ''].join('\n');
}

function terminalTable({ columns, rows }: Table): string {
  const aligned = columns.map((name, index) => ({
    title: name,
    align: index === 0 || name === '' ? ('left' as const) : ('right' as const),
  }));
  return textTable(aligned, rows);
}

/** None for a section that judges nothing. */
function verdictTables(rows: readonly Row[]): Table[] {
  if (rows.length === 0) return [];
  return [{ title: '', columns: VERDICT_COLUMNS, rows: rows.map(verdictCells) }];
}

export function toMarkdown(validation: Validation): string {
  const { startedAt, command, sections } = validation;
  const parts = [
    '# Validation by load',
    `**${verdictOf(validation)}** · \`${command}\` · ${startedAt}`,
    ...remarks(validation),
    conditions(validation),
    ...(hasWeakRow(validation) ? [NO_PROOF] : []),
    ...sections.map((section) =>
      [
        `## ${section.title}`,
        `${section.notRun ?? section.how}.`,
        ...verdictTables(section.rows).map(markdownTable),
        ...section.notes,
        ...section.details.flatMap((table) => [`### ${table.title}`, markdownTable(table)]),
      ].join('\n\n'),
    ),
    ...conditionsOf(validation).map(({ title, items }) =>
      [`## ${title}`, items.map((item) => `- ${item}`).join('\n')].join('\n\n'),
    ),
  ];
  return `${parts.join('\n\n')}\n`;
}

function hasWeakRow({ sections }: Validation): boolean {
  return sections.some(({ rows }) => rows.some(({ isProof }) => !isProof));
}

function conditions({ machine, versions, isWarmedUp }: Validation): string {
  const shared = 'Service, Redis and load generator share the machine';
  return `${machine}; ${versions}. ${shared}${isWarmedUp ? '; the service was warmed up' : ''}.`;
}

export function toHtml(validation: Validation): string {
  const { startedAt, command, sections } = validation;
  const verdict = verdictOf(validation);
  const intro = [
    ...remarks(validation),
    ...(hasWeakRow(validation) ? [NO_PROOF.replaceAll('*', '')] : []),
  ];
  const body = sections.map((section) => {
    return [
      `<h2>${escaped(section.title)}</h2><p>${escaped(section.notRun ?? section.how)}</p>`,
      ...verdictTables(section.rows).map(htmlTable),
      ...section.notes.map((note) => `<p>${escaped(note)}</p>`),
      ...section.details.map((table) => `<h3>${escaped(table.title)}</h3>${htmlTable(table)}`),
    ].join('\n');
  });
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Validation by load: ${verdict}</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { border-bottom: 1px solid #8886; padding: .25rem .75rem; text-align: right }
th:first-child, td:first-child { text-align: left }
.PASS { color: light-dark(#0a6b2d, #5fd38a) } .FAIL, .INCOMPLETE { color: light-dark(#b00020, #ff8a9a) }
</style>
<h1>Validation by load: <span class="${verdict}">${verdict}</span></h1>
<p><code>${escaped(command)}</code>, ${escaped(startedAt)}. ${escaped(conditions(validation))}</p>
${intro.map((text) => `<p>${escaped(text)}</p>`).join('\n')}
${body.join('\n')}
${conditionsOf(validation).map(htmlList).join('\n')}
</html>
`;
}

function verdictCells({ what, expected, measured, passed, isProof }: Row): string[] {
  const verdict = passed ? (isProof ? 'PASS' : MET) : 'FAIL';
  return [what, expected, measured, verdict];
}

function markdownTable({ columns, rows }: Table): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const rule = columns.map((_, index) => (index === 0 ? '---' : '---:'));
  return [line(columns), line(rule), ...rows.map(line)].join('\n');
}

function htmlTable({ columns, rows }: Table): string {
  const row = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}${classOf(cell)}>${escaped(cell)}</${tag}>`).join('')}</tr>`;
  return `<table>${row(columns, 'th')}${rows.map((cells) => row(cells, 'td')).join('')}</table>`;
}

function htmlList({ title, items }: Conditions): string {
  const entries = items.map((item) => `<li>${escaped(item.replaceAll('`', ''))}</li>`);
  return `<h2>${escaped(title)}</h2><ul>${entries.join('')}</ul>`;
}

function classOf(cell: string): string {
  return cell === 'PASS' || cell === 'FAIL' ? ` class="${cell}"` : '';
}

function escaped(text: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
  };
  return text.replace(/[&<>"]/g, (character) => entities[character]!);
}
