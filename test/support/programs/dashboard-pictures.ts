// npm run pictures: the live page's pictures in docs/, light, dark and on a phone, and what the page costs
// a browser. Four pools of one process stand for four workers, as a service that is well used.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { startPrivateServer } from '../../../scripts/redis-server.js';
import { DashboardHub, dashboardHandler, PoolReporter } from '../../../src/http/index.js';
import { createPool } from '../../../src/index.js';
import { launchChromium } from '../chromium.js';
import { visit } from '../page-visit.js';

const DOCS = path.join(import.meta.dirname, '../../../docs');
const WORKERS = 4;
const CALLERS = 25;
/** How many connections each worker lends at most, and for how long, ms. */
const LOANS = 24;
const LOAN_MS = 1_500;
const WARM_UP_MS = Number(process.argv[3] ?? 60_000);
const MEASURED_MS = 10_000;
const DESKTOP = { width: 1360, height: 1030 };
const PHONE = { width: 390, height: 844 };

const server = await startPrivateServer();
const hub = new DashboardHub();
const pools = Array.from({ length: WORKERS }, () =>
  createPool({ url: server.url, name: 'auth', maxConnections: 40, laneDepth: 4 }, {}),
);
for (const [index, pool] of pools.entries()) {
  new PoolReporter(pool, (report) => hub.take(String(index + 1), report));
  for (let caller = 0; caller < CALLERS; caller++) void call(pool, caller);
  for (let borrower = 0; borrower < LOANS; borrower++) void borrow(pool);
}
const http = createServer(dashboardHandler(hub)).listen(0, '127.0.0.1');
await once(http, 'listening');
const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/dashboard`;
const browser = await launchChromium();
await sleep(WARM_UP_MS);

const desktop = { viewport: DESKTOP, deviceScaleFactor: 1 };
const light = await visit(browser, url, desktop);
await settled(light.page);
console.log(`CPU of the page: ${(await cpuPercent(light.page)).toFixed(1)} % of a core`);
await picture(light.page, 'light');
await light.leave();
const dark = await visit(browser, url, { ...desktop, colorScheme: 'dark' });
await settled(dark.page);
await picture(dark.page, 'dark');
await dark.leave();
const phone = await visit(browser, url, { viewport: PHONE, deviceScaleFactor: 2, hasTouch: true });
await settled(phone.page);
await picture(phone.page, 'phone');
await browser.close();
await server.stop();
process.exit();

async function call({ client }: (typeof pools)[number], caller: number): Promise<never> {
  for (;;) {
    await client.get(`key-${caller}`);
    await sleep(Math.random() * 30);
  }
}

async function borrow(pool: (typeof pools)[number]): Promise<never> {
  for (;;) {
    await sleep(Math.random() * LOAN_MS * 0.7);
    await pool.withLease(() => sleep(Math.random() * LOAN_MS));
  }
}

async function settled(page: Page): Promise<void> {
  await page.locator('#state', { hasText: 'Ready' }).waitFor();
  await page.locator('#span').selectOption('60');
  await sleep(2_000);
}

async function picture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: path.join(DOCS, `dashboard-${name}.png`) });
}

/** The process that runs the page and draws it. */
async function cpuPercent(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  const cpuSeconds = async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'ProcessTime')!.value;
  };
  const [before, since] = [await cpuSeconds(), performance.now()];
  await sleep(MEASURED_MS);
  return (((await cpuSeconds()) - before) / ((performance.now() - since) / 1000)) * 100;
}
