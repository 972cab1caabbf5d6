// The README's figures, taken from the committed reports, so that it says what they say: how many
// times faster than which peer, by callers; which rows failed; what was measured again. Pure but for
// `writeFigures`. `npm run figures` and `npm run validate -- --docs` run it.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const FIGURES_COMMAND = 'npm run figures';
const BEGIN = (name: string, command: string) => `<!-- ${name}: written by ${command} -->`;
const END = (name: string) => `<!-- end of ${name} -->`;
const OURS = 'Plimsoll';
/** Not peers: a socket without a client, and our own pool held back. */
const NO_PEERS = ['bare pipelined socket (floor)', 'Plimsoll, maxInFlight 1 (40)'];
const GET_TITLE = /^## GET 100 B, ([\d,]+ callers?)$/;
/** The kinds of runs of `npm run validate`. */
const REPORTS = ['', '-full', '-soak', '-capacity', '-compare', '-cluster', '-sentinel'].map(
  (kind) => `validation${kind}.md`,
);

interface Table {
  readonly title: string;
  readonly rows: readonly (readonly string[])[];
}

/** All tables below a heading, without their heads. */
function tablesOf(markdown: string): Table[] {
  const tables: { title: string; rows: string[][] }[] = [];
  for (const line of markdown.split('\n')) {
    if (line.startsWith('#')) tables.push({ title: line, rows: [] });
    if (line.startsWith('|') && !/^\|[\s:|-]+\|$/.test(line)) {
      const cells = line.slice(1, -1).split(/(?<!\\)\|/);
      tables.at(-1)?.rows.push(cells.map((cell) => cell.trim().replaceAll('**', '')));
    }
  }
  return tables.map(({ title, rows }) => ({ title, rows: rows.slice(1) }));
}

/** Throughput of GET by callers, Plimsoll's as a multiple of each peer's. */
export function benchFigures(results: string): string {
  const tables = tablesOf(results);
  const gets = tables.flatMap(({ title, rows }) => {
    const callers = GET_TITLE.exec(title)?.[1];
    const rates = new Map(rows.map(([client, ops]) => [client!, numberOf(ops!)]));
    return callers === undefined ? [] : [{ callers, rates }];
  });
  const peers = [...new Set(gets.flatMap(({ rates }) => [...rates.keys()]))]
    .filter((client) => client !== OURS && !NO_PEERS.includes(client))
    .sort();
  const ratio = (rates: ReadonlyMap<string, number>, peer: string) =>
    ((rates.get(OURS) ?? Number.NaN) / (rates.get(peer) ?? Number.NaN)).toFixed(1);
  const failed = tables
    .filter(({ title }) => title === '## Ratios')
    .flatMap(({ rows }) => rows.filter((row) => row[3] === 'FAIL'))
    .map(([what, measured, target]) => `- ${what}: ${measured}, not ${target}`);
  return [
    markdownTable(
      ['GET, times the throughput of', ...gets.map(({ callers }) => callers)],
      peers.map((peer) => [peer, ...gets.map(({ rates }) => `${ratio(rates, peer)}x`)]),
    ),
    ...(failed.length === 0
      ? []
      : [['Rows of that report that miss their target:', ...failed].join('\n')]),
  ].join('\n\n');
}

/** @param reports File names and texts. */
export function validationFigures(reports: readonly (readonly [string, string])[]): string {
  return markdownTable(
    ['report', 'verdict', 'rows that failed', 'measured again, as the host was busy'],
    reports.map(([file, text]) => [
      `[${file}](docs/${file}), \`${/`([^`]+)`/.exec(text)?.[1]}\``,
      /^\*\*(\w+)\*\*/m.exec(text)?.[1] ?? 'unknown',
      failedRows(text).join('; ') || 'none',
      repeated(text).join('; ') || 'nothing',
    ]),
  );
}

function failedRows(report: string): string[] {
  return tablesOf(report).flatMap(({ title, rows }) =>
    rows
      .filter((row) => row.at(-1) === 'FAIL')
      .map(([what, , measured]) => `${title.replace(/^#+ /, '')}, ${what}: ${measured}`),
  );
}

function repeated(report: string): string[] {
  const sections = report.split(/^## /m).slice(1);
  return sections.flatMap((section) => {
    const title = section.split('\n', 1)[0]!;
    const phases = [...section.matchAll(/^Measured (\d+) times/gm)];
    const steps = [...section.matchAll(/^(.+: \d+ steps) were measured again/gm)];
    return [
      ...phases.map(([, times]) => `${title}: ${times} attempts`),
      ...steps.map(([, which]) => `${title}, ${which}`),
    ];
  });
}

export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, index) => (index === 0 ? '---' : '---:'));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}

function numberOf(text: string): number {
  return Number(text.replaceAll(',', ''));
}

/** @param command What writes them. @throws Error where the page has no place for them. */
export function withFigures(
  page: string,
  name: string,
  figures: string,
  command = FIGURES_COMMAND,
): string {
  const begin = BEGIN(name, command);
  const [from, to] = [page.indexOf(begin), page.indexOf(END(name))];
  if (from < 0 || to < from) throw new Error(`The page has no place for the figures '${name}'`);
  return `${page.slice(0, from)}${begin}\n${figures}\n${page.slice(to)}`;
}

/** The README as it should be by what is committed. */
export function readmeWithFigures(root: string): string {
  const read = (file: string) => readFileSync(path.join(root, file), 'utf8');
  const reports = REPORTS.filter((file) => existsSync(path.join(root, 'docs', file)));
  const bench = benchFigures(read('bench/RESULTS.md'));
  const validation = validationFigures(reports.map((file) => [file, read(`docs/${file}`)]));
  return withFigures(withFigures(read('README.md'), 'bench', bench), 'validation', validation);
}

export function writeFigures(root: string): void {
  writeFileSync(path.join(root, 'README.md'), readmeWithFigures(root));
}

const isProgram = import.meta.url === pathToFileURL(process.argv[1] ?? '').href;
if (isProgram) writeFigures(fileURLToPath(new URL('../../', import.meta.url)));
