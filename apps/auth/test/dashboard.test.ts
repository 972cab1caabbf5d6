// The live page of the service as it is run: one page shows all workers, whichever of them serves it, and
// outlives the service.

import { once } from 'node:events';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchChromium } from '../../../test/support/chromium.js';
import { visit } from '../../../test/support/page-visit.js';
import { useServer } from '../../../test/support/servers.js';
import { endServices, startService, workersOf } from './support/primary.js';

const TOKEN = 'an-operator-token-of-some-length';
/** For a machine that is busy, ms. */
const START_TIMEOUT_MS = 60_000;
const ENVIRONMENT = { AUTH_DASHBOARD: 'true', AUTH_OPERATOR_TOKEN: TOKEN };

describe('the live page of the service', () => {
  const server = useServer();
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchChromium();
  }, 300_000);
  afterAll(async () => {
    await browser?.close();
    await endServices();
  });

  test(
    'shows all workers, one that is replaced, and comes back after a restart',
    async () => {
      const service = await startService(server().url, ENVIRONMENT);
      const { url } = service;
      const { page, leave } = await visit(browser, `${url}/dashboard`);
      await page.getByLabel('Token').fill(TOKEN);
      await page.keyboard.press('Enter');
      await page.locator('#address', { hasText: '2 workers' }).waitFor();
      await expect.poll(() => page.locator('#workers > li').count()).toBe(2);
      // What only one worker knows shows on whichever page.
      for (let call = 0; call < 40; call++) await fetch(`${url}/health/ready`);
      await expect.poll(() => page.locator('#workers').textContent()).toMatch(/[1-9]\d*\.\d\/s/);

      const [victim] = await workersOf(service);
      process.kill(victim!, 'SIGKILL');
      await page
        .locator('#workers', { hasText: 'Worker 3' })
        .waitFor({ timeout: START_TIMEOUT_MS });
      await page.locator('#log', { hasText: 'The worker has ended' }).waitFor();

      service.primary.kill('SIGTERM');
      await page.locator('#stale', { hasText: /as of \d\d:\d\d:\d\d/ }).waitFor();
      expect(await page.locator('#state').textContent()).toBe('No connection');
      const [code] = await once(service.primary, 'exit');
      expect(code).toBe(0);
      await startService(server().url, { ...ENVIRONMENT, PORT: new URL(url).port });
      await page.locator('#stale').waitFor({ state: 'hidden', timeout: START_TIMEOUT_MS });
      await expect.poll(() => page.locator('#workers > li').count()).toBe(2);
      expect(await page.locator('#state').textContent()).not.toBe('No connection');
      await leave();
    },
    3 * START_TIMEOUT_MS,
  );

  test('is not there unless it is asked for', async () => {
    const { url } = await startService(server().url);
    expect((await fetch(`${url}/dashboard`)).status).toBe(404);
  }, 60_000);
});
