// The page in a real browser, without a network: charts are drawn, nothing complains, and what a
// run says can't become markup.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { launchChromium } from '../../../test/support/chromium.js';
import { reportPage } from '../src/report/html-page.js';
import { exampleReport } from './support/example-report.js';

/** In the page: how many colours each chart has. An empty one has a handful, for its grid. */
const COUNT_COLORS = `[...document.querySelectorAll('canvas')].map((canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
})`;
const INSTALL_TIMEOUT_MS = 300_000;
const folder = mkdtempSync(path.join(os.tmpdir(), 'plimsoll-report-'));
let browser: Browser;

beforeAll(async () => {
  browser = await launchChromium();
}, INSTALL_TIMEOUT_MS);

afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true });
});

it.each(['light', 'dark'] as const)('draws its charts offline, %s', async (colorScheme) => {
  const file = path.join(folder, 'report.html');
  writeFileSync(file, reportPage(exampleReport()));
  const context = await browser.newContext({ colorScheme, offline: true });
  const page = await context.newPage();
  const problems: string[] = [];
  const requests: string[] = [];
  page.on('console', (message) => problems.push(message.text()));
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('request', (request) => requests.push(request.url()));
  await page.goto(pathToFileURL(file).href);
  await page.waitForSelector('.uplot canvas');

  const titles = await page.locator('.u-title').allTextContents();
  expect(titles).toHaveLength(6);
  expect(titles).toContain('Pool utilisation, %');
  const colors = await page.evaluate<number[]>(COUNT_COLORS);
  for (const count of colors) expect(count).toBeGreaterThan(5);
  expect(await page.locator('h2').allTextContents()).toEqual([
    'Thresholds',
    'Over time',
    'Steady state',
    'Whole run',
    'Failures',
    'Exceptions',
    'Task mix',
    'The load tester itself',
    'Settings',
  ]);
  const background = await page.evaluate('getComputedStyle(document.body).backgroundColor');
  expect(background).toBe(colorScheme === 'dark' ? 'rgb(20, 24, 31)' : 'rgb(255, 255, 255)');
  expect(await page.evaluate("'injected' in globalThis")).toBe(false);
  expect(await page.locator('img').count()).toBe(0);
  expect(await page.locator('td', { hasText: '<img src=x' }).count()).toBeGreaterThan(0);
  expect(problems).toEqual([]);
  expect(requests.filter((url) => !/^(file|data):/.test(url))).toEqual([]);
  await context.close();
});
