// `npm run planning`: takes the costs on this machine, lets the plan say what they lead to, measures
// that, and writes both into docs/planning.md, whatever they are. About six minutes; nothing else
// should run meanwhile. On REDIS_URL, or on a private server.

import { readFileSync, writeFileSync } from 'node:fs';
import { COST_NAMES, type MeasuredCosts } from 'plimsoll-cli/plan/costs.js';
import { measureCosts } from 'plimsoll-cli/plan/measure.js';
import { percent, round } from 'plimsoll-cli/plan/report.js';
import { type MachineLoad, machineLoad, readMachineTimes } from '../machine-load.js';
import { markdownTable, withFigures } from '../readme-figures.js';
import { openServer } from '../redis-server.js';
import {
  compareCheckouts,
  compareCpu,
  compareMemory,
  differenceOf,
  type Row,
  TOLERANCE,
} from './compare.js';

const PAGE = new URL('../../../docs/planning.md', import.meta.url);

function costsTable(costs: MeasuredCosts): string {
  const names = COST_NAMES.filter((name): name is Exclude<keyof MeasuredCosts, 'source'> => {
    return name in costs;
  });
  const rows = names.map((name) => [`\`${name}\``, round(costs[name])]);
  return markdownTable(['cost', 'figure'], rows);
}

function comparisonTable(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.load,
    row.what,
    row.text(row.predicted),
    row.simulated === undefined ? '' : row.text(row.simulated),
    row.text(row.measured),
    `${differenceOf(row) > 0 ? '+' : ''}${percent(differenceOf(row))}${isOff(row) ? ' **off**' : ''}`,
  ]);
  return markdownTable(
    ['load', 'what', 'predicted', 'simulated', 'measured', 'predicted against measured'],
    cells,
  );
}

function isOff(row: Row): boolean {
  return !(Math.abs(differenceOf(row)) <= TOLERANCE);
}

function comparison(costs: MeasuredCosts, rows: readonly Row[], load: MachineLoad | undefined) {
  const near = rows.filter((row) => !isOff(row)).length;
  const machine =
    load === undefined
      ? ''
      : ` The CPUs were ${round(load.busyPercent)} % busy, and the host gave ${load.stolenPercent.toFixed(1)} % of their time to others.`;
  return [
    `**${near} of ${rows.length} predictions are within ${percent(TOLERANCE)}.** Costs ${costs.source}.${machine}`,
    comparisonTable(rows),
    'The costs behind the predictions, µs, ms and bytes:',
    costsTable(costs),
  ].join('\n\n');
}

await using server = await openServer().then((opened) => ({
  ...opened,
  [Symbol.asyncDispose]: () => opened.stop(),
}));
const environment = { REDIS_URL: server.url };
const tell = (text: string) => console.log(`measuring: ${text}`);
const before = readMachineTimes();
tell('what things cost');
const costs = await measureCosts(environment, console.warn);
const rows = [
  ...(await compareCpu(environment, costs, tell)),
  ...(await compareMemory(environment, costs, tell)),
  ...(await compareCheckouts(environment, tell)),
];
const text = comparison(costs, rows, machineLoad(before, readMachineTimes()));
writeFileSync(PAGE, withFigures(readFileSync(PAGE, 'utf8'), 'planning', text, 'npm run planning'));
console.log(`\n${text}\n\nWritten to docs/planning.md.`);
