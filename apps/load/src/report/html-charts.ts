// What the charts show, and the script in the page that draws them. Long runs are thinned out: a
// point then stands for several seconds and shows the largest value in them, so no peak is lost.

import type { LoadReport } from './load-report.js';

const MAX_POINTS = 1500;

interface Series {
  readonly label: string;
  readonly color: string;
  readonly values: (number | null)[];
}

export interface Chart {
  readonly title: string;
  /** Unix seconds. */
  readonly times: number[];
  readonly series: Series[];
}

export function chartData({ samples, metrics }: LoadReport): Chart[] {
  const seconds = thin(samples);
  const readings = thin(metrics);
  const times = seconds.map((group) => group[0]!.timeMs / 1000);
  const line = (label: string, color: string, key: keyof (typeof samples)[number]): Series => ({
    label,
    color,
    values: seconds.map((group) => Math.max(...group.map((sample) => sample[key]))),
  });
  const charts: Chart[] = [
    { title: 'Users', times, series: [line('users', '#3b82f6', 'users')] },
    {
      title: 'Requests and failures per second',
      times,
      series: [line('requests/s', '#16a34a', 'rps'), line('failures/s', '#dc2626', 'failuresPerS')],
    },
    {
      title: 'Response times of each second, ms',
      times,
      series: [
        line('p50', '#16a34a', 'p50'),
        line('p95', '#d97706', 'p95'),
        line('p99', '#dc2626', 'p99'),
      ],
    },
    {
      title: "The load tester's CPU, % of a core",
      times,
      series: [line('busiest process', '#7c3aed', 'generatorCpuPercent')],
    },
  ];
  if (metrics.length === 0) return charts;
  const metricTimes = readings.map((group) => group[0]!.timeMs / 1000);
  const reading = (key: 'poolUtilizationPercent' | 'residentMemoryBytes', divisor: number) =>
    readings.map((group) => {
      const known = group.map((sample) => sample[key]).filter((value) => value !== null);
      return known.length === 0 ? null : Math.max(...known) / divisor;
    });
  const utilization = reading('poolUtilizationPercent', 1);
  const memory = reading('residentMemoryBytes', 2 ** 20);
  charts.push(
    {
      title: 'Pool utilisation, %',
      times: metricTimes,
      series: [{ label: 'utilisation', color: '#0891b2', values: utilization }],
    },
    {
      title: "The service's memory, MiB",
      times: metricTimes,
      series: [{ label: 'resident', color: '#db2777', values: memory }],
    },
  );
  return charts;
}

/** Groups of neighbours, at most `MAX_POINTS` of them. */
function thin<T>(samples: readonly T[]): T[][] {
  const size = Math.max(1, Math.ceil(samples.length / MAX_POINTS));
  const groups: T[][] = [];
  for (let start = 0; start < samples.length; start += size) {
    groups.push(samples.slice(start, start + size));
  }
  return groups;
}

export const PAGE_SCRIPT = `
'use strict';
(() => {
  const charts = JSON.parse(document.getElementById('data').textContent);
  const holder = document.getElementById('charts');
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const width = () => Math.max(280, holder.firstElementChild.clientWidth);
  const clock = (seconds) => (seconds == null ? '–' : new Date(seconds * 1000).toTimeString().slice(0, 8));
  let plots = [];
  function draw() {
    for (const plot of plots) plot.destroy();
    const axis = () => ({ stroke: color('--faint'), grid: { stroke: color('--line'), width: 1 },
      ticks: { stroke: color('--line'), width: 1 }, size: 60 });
    plots = charts.map((chart, index) => {
      const bottom = { ...axis(), size: 40, values: (_, times) => times.map(clock) };
      const time = { label: 'time', value: (_, seconds) => clock(seconds) };
      const series = chart.series.map(({ label, color: stroke }) => ({ label, stroke, width: 1.5,
        value: (_, value) => (value == null ? '–' : value.toFixed(1)) }));
      return new uPlot({ title: chart.title, width: width(), height: 240,
        cursor: { sync: { key: 'run' } }, axes: [bottom, axis()], series: [time, ...series],
        scales: { y: { range: (_, low, high) => [0, Math.max(1, high * 1.05)] } },
      }, [chart.times, ...chart.series.map(({ values }) => values)], holder.children[index]);
    });
  }
  for (const _ of charts) holder.append(document.createElement('div'));
  draw();
  addEventListener('resize', () => {
    for (const plot of plots) plot.setSize({ width: width(), height: 240 });
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
})();
`;
