// The report as one page that needs no network: tables as HTML, charts drawn by uPlot, whose
// script and style are inlined. Every value from a run is escaped, since names and error texts
// come from user classes and servers.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { formatDuration } from '../duration.js';
import { chartData, PAGE_SCRIPT } from './html-charts.js';
import { PAGE_STYLE } from './html-style.js';
import {
  exceptionsTable,
  failuresTable,
  generatorTable,
  modelSentence,
  requestsTable,
  settingsTable,
  tasksTable,
  thresholdsTable,
} from './html-tables.js';
import { html, raw } from './html-text.js';
import type { LoadReport } from './load-report.js';

const require = createRequire(import.meta.url);

export function reportPage(report: LoadReport): string {
  const title = `${report.userClassName}, ${report.settings.users} users`;
  const duration = formatDuration(report.endMs - report.startMs);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${raw(asset('uPlot.min.css'))}${raw(PAGE_STYLE)}</style>
</head>
<body>
<header>
<h1>${title}</h1>
<p>${report.settings.host} · ${new Date(report.startMs).toISOString()} · ${duration} ·
<strong class="${verdictStyle(report)}">${verdict(report)}</strong></p>
<p>${modelSentence(report)}</p>
${raw(report.notes.map((note) => html`<p class="note">${note}</p>`).join(''))}
${raw(report.generator.reasons.map((reason) => html`<p class="note bad">${reason}</p>`).join(''))}
</header>
<main>
${raw(thresholdsTable(report))}
<section><h2>Over time</h2><div id="charts"></div></section>
${raw(requestsTable('Steady state', report.steady))}
${raw(requestsTable('Whole run', report))}
${raw(failuresTable(report))}
${raw(exceptionsTable(report))}
${raw(tasksTable(report))}
${raw(generatorTable(report))}
${raw(settingsTable(report))}
</main>
<script type="application/json" id="data">${raw(inlineJson(chartData(report)))}</script>
<script>${raw(asset('uPlot.iife.min.js'))}</script>
<script>${raw(PAGE_SCRIPT)}</script>
</body>
</html>
`;
}

function verdict(report: LoadReport): string {
  if (report.endReason === 'generator-crashed') return 'a generator crashed';
  if (report.unjudgedErrors > 0) return `${report.unjudgedErrors} errors`;
  if (report.thresholds.length === 0) return 'no thresholds, no errors';
  const missed = report.thresholds.filter((one) => !one.passed).length;
  return missed === 0
    ? 'all thresholds met'
    : `${missed} of ${report.thresholds.length} thresholds missed`;
}

function verdictStyle({ passed, thresholds }: LoadReport): string {
  if (!passed) return 'bad';
  return thresholds.length === 0 ? '' : 'good';
}

/** A file of uPlot's distribution. It holds no closing script or style tag. */
function asset(name: string): string {
  return readFileSync(require.resolve(`uplot/dist/${name}`), 'utf8');
}

/** JSON that can't end the script element it stands in. */
function inlineJson(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}
