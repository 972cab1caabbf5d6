// The page in a real browser, served by the tester as a program of its own, against a real server: a
// run is started, watched, changed and stopped, and nobody else can do that.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { launchChromium } from '../../../test/support/chromium.js';
import { type HttpService, startHttpService } from './support/http-service.js';
import { startWebTester, type WebTester } from './support/web-tester.js';

const PROGRAM = fileURLToPath(new URL('../bin/plimsoll-load.js', import.meta.url));
const INSTALL_TIMEOUT_MS = 300_000;
const TOKEN = 'correct-horse-battery-staple';
const USERS = `export default { name: 'Harbour', waitMs: () => 40, tasks: [
  { name: 'sound', weight: 8, run: (user) => user.get('/sound', { expect: 200 }) },
  { name: 'broken', weight: 1, run: (user) => user.get('/broken', { name: '/<b>broken</b>', expect: 200 }) },
  { name: 'thrown', weight: 1, run: async () => { throw new Error('<i>no berth</i>'); } },
] };`;
/** In the page: how many colours each chart has. An empty one has a handful, for its grid. */
const COUNT_COLORS = `[...document.querySelectorAll('.charts canvas')].map((canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
})`;

const CHARTED = `[...document.querySelectorAll('.charts [role=img]')].map((chart) =>
  [chart.getAttribute('aria-label'), chart.querySelector('canvas').toDataURL()])`;

/** A browser and the programs take their time on a busy machine. */
vi.setConfig({ testTimeout: 60_000 });

const folder = mkdtempSync(path.join(os.tmpdir(), 'plimsoll-web-'));
const testers: WebTester[] = [];
/** What each page complained of. */
const complaints = new Map<Page, string[]>();
let browser: Browser;
let service: HttpService;

beforeAll(async () => {
  writeFileSync(path.join(folder, 'harbour.mjs'), USERS);
  service = await startHttpService((request, response) => {
    response.statusCode = request.url === '/broken' ? 500 : 200;
    setTimeout(() => response.end('{}'), 5);
  });
  browser = await launchChromium();
}, INSTALL_TIMEOUT_MS);

afterAll(async () => {
  await browser?.close();
  for (const tester of testers) await tester.stop();
  await service?.close();
  rmSync(folder, { recursive: true });
});

async function start(args: string[], environment?: NodeJS.ProcessEnv): Promise<WebTester> {
  const shared = ['harbour.mjs', '-H', service.url, '--only-summary'];
  const command = { program: PROGRAM, args: [...shared, ...args], cwd: folder };
  const tester = await startWebTester({ ...command, ...(environment ? { environment } : {}) });
  testers.push(tester);
  return tester;
}

async function open(url: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const problems: string[] = [];
  complaints.set(page, problems);
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => problems.push(message.text()));
  await page.goto(url);
  return page;
}

/** Reads a tile's figure. */
async function tile(page: Page, name: string): Promise<number> {
  const value = page.locator('#tiles > div', { hasText: name }).locator('.value span').first();
  return Number((await value.textContent())?.replaceAll(',', ''));
}

const phase = (page: Page) => page.locator('#phase');
const shows = (page: Page, text: string) =>
  page.locator('#phase', { hasText: text }).waitFor({ timeout: 20_000 });

async function download(page: Page, name: string): Promise<string> {
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.locator(`a[href="/download/${name}"]`).click(),
  ]);
  expect(file.suggestedFilename()).toMatch(new RegExp(`^load-\\d{8}-\\d{6}_${name}$`));
  return readFileSync(await file.path(), 'utf8');
}

/** Without a browser's rules. */
function ask(
  url: string,
  headers: Record<string, string>,
  body?: string,
): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method: body === undefined ? 'GET' : 'POST', headers });
    asked.on('error', reject);
    asked.on('response', async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode!, headers: response.headers, text });
    });
    asked.end(body);
  });
}

describe('a run', () => {
  let tester: WebTester;
  let page: Page;
  let atEnd: unknown;

  it('waits for the form, is sent with the keyboard, and shows itself as it goes', async () => {
    tester = await start([]);
    page = await open(tester.url);
    await shows(page, 'Ready');
    expect(service.paths, 'nothing is sent before').toEqual([]);
    expect(await page.getByLabel('Host').inputValue()).toBe(service.url);
    await page.getByLabel('Users', { exact: true }).fill('5');
    await page.getByLabel('Spawn rate').fill('50');
    await page.keyboard.press('Enter');
    await shows(page, 'Running');
    await expect.poll(() => tile(page, 'Users')).toBe(5);
    await expect.poll(() => tile(page, 'Requests'), { timeout: 5000 }).toBeGreaterThan(20);
    expect(await tile(page, 'Median')).toBeGreaterThan(4);
    await expect.poll(() => page.locator('#requests').textContent()).toContain('GET /sound');
    await expect
      .poll(() => page.locator('#failures').textContent())
      .toContain('GET /<b>broken</b>expected 200, got 500');
    await expect.poll(() => page.locator('#exceptions').textContent()).toContain('<i>no berth</i>');
    const before = await page.locator('#requests tr.all td').nth(1).textContent();
    await expect
      .poll(() => page.locator('#requests tr.all td').nth(1).textContent(), { timeout: 5000 })
      .not.toBe(before);
  });

  it('takes other numbers of users while it lasts, more and fewer', async () => {
    await page.getByLabel('Users', { exact: true }).fill('12');
    await page.getByRole('button', { name: 'Set users' }).click();
    await expect.poll(() => tile(page, 'Users'), { timeout: 5000 }).toBe(12);
    await shows(page, 'Running');
    await page.getByLabel('Users', { exact: true }).fill('2');
    await page.keyboard.press('Enter');
    await expect.poll(() => tile(page, 'Users'), { timeout: 5000 }).toBe(2);
    await shows(page, 'Running');
    const refused = await ask(`${tester.url}api/users`, JSON_TYPE, '{"users":-1,"spawnRate":1}');
    expect(refused).toMatchObject({ status: 422, text: expect.stringMatching(/INVALID_OPTION/) });
  });

  it('is all there after a reload, charts included', async () => {
    const elapsed = await page.locator('#elapsed').textContent();
    await page.reload();
    await shows(page, 'Running');
    expect((await page.locator('#elapsed').textContent())! >= elapsed!).toBe(true);
    const colors = await page.evaluate<number[]>(COUNT_COLORS);
    expect(colors).toHaveLength(4);
    for (const count of colors) expect(count).toBeGreaterThan(8);
    const label = await page.locator('.charts [role=img]').first().getAttribute('aria-label');
    expect(label).toMatch(/^Chart: Requests and failures per second; requests \d/);
  });

  it('without users shows no requests', async () => {
    await page.getByLabel('Users', { exact: true }).fill('0');
    await page.getByRole('button', { name: 'Set users' }).click();
    await expect.poll(() => tile(page, 'Users'), { timeout: 5000 }).toBe(0);
    const requests = page.locator('.charts figure').first().locator('.legend b').first();
    await expect.poll(() => requests.textContent(), { timeout: 5000 }).toBe('0.0');
  });

  it('is stopped, judged, and left in files', async () => {
    await page.getByRole('button', { name: 'Stop' }).click();
    await shows(page, 'Ended');
    expect(await page.locator('#verdict').textContent()).toMatch(/^Not passed: \d+ errors/);
    expect(await page.locator('#notes').textContent()).toContain('the users were set to 12, 50');
    atEnd = (await page.evaluate<unknown[]>(CHARTED))[0];
    const failures = (await download(page, 'failures.csv')).trim().split('\r\n');
    expect(failures[0]).toBe('Method,Name,Error,Occurrences');
    expect(failures[1]).toMatch(/^GET,\/<b>broken<\/b>,"expected 200, got 500",\d+$/);
    const stats = (await download(page, 'stats.csv')).trim().split('\r\n');
    const sound = stats.find((line) => line.startsWith('GET,/sound,'))!.split(',');
    expect(Number(sound[2])).toBe(service.paths.filter((one) => one === '/sound').length);
    const history = (await download(page, 'stats_history.csv')).trim().split('\r\n');
    expect(history.length).toBeGreaterThan(5);
    expect(await download(page, 'exceptions.csv')).toContain('no berth');
    expect(await download(page, 'report.html')).toContain('<h2>Whole run</h2>');
    expect(complaints.get(page)).toEqual([]);
  });

  it('fits a phone and the dark', async () => {
    const size = { width: 360, height: 740 };
    const phone = await open(tester.url, { viewport: size, colorScheme: 'dark', hasTouch: true });
    await shows(phone, 'Ended');
    const width = await phone.evaluate('document.documentElement.scrollWidth');
    expect(width).toBeLessThanOrEqual(360);
    const background = await phone.evaluate('getComputedStyle(document.body).backgroundColor');
    expect(background).toBe('rgb(14, 19, 26)');
    await phone.context().close();
    expect(complaints.get(phone)).toEqual([]);
  });

  it('that the page can no longer see is shown as of when it was seen', async () => {
    expect((await page.evaluate<unknown[]>(CHARTED))[0], 'drawn after the end').toEqual(atEnd);
    const stale = page.locator('#stale');
    tester.child.kill('SIGSTOP');
    await expect.poll(() => stale.textContent(), { timeout: 10_000 }).toMatch(/as of \d\d:\d\d/);
    expect(await page.getByRole('button', { name: 'Start' }).isDisabled()).toBe(true);
    tester.child.kill('SIGCONT');
    await shows(page, 'Ended');
    expect(await stale.isVisible()).toBe(false);
    tester.child.kill('SIGTERM');
    expect(await tester.ended).toBe(143);
    await expect.poll(() => phase(page).textContent()).toBe('Tester ended');
    expect(await stale.textContent()).toMatch(/The load tester has ended/);
    await page.context().close();
  });
});

const JSON_TYPE = { 'content-type': 'application/json' };

describe.concurrent('the page', () => {
  it('off loopback wants the token, and prints it nowhere', async () => {
    const tester = await start(['--web-host', '0.0.0.0'], { LOCUST_WEB_TOKEN: TOKEN });
    const url = tester.url.replace('0.0.0.0', '127.0.0.1');
    const page = await open(url);
    await page.getByLabel('Token').fill('a-wrong-token-of-length');
    await page.keyboard.press('Enter');
    await page.locator('#refused').waitFor();
    await page.getByLabel('Token').fill(TOKEN);
    await page.getByRole('button', { name: 'Open' }).click();
    await shows(page, 'Ready');
    const stop = `${url}api/stop`;
    expect((await ask(`${url}api/events`, {})).status).toBe(401);
    expect((await ask(`${url}download/stats.csv`, {})).status).toBe(401);
    expect((await ask(stop, JSON_TYPE, '{}')).status).toBe(401);
    const wrong = { ...JSON_TYPE, authorization: `Bearer ${TOKEN}x` };
    expect((await ask(stop, wrong, '{}')).status).toBe(401);
    const right = { ...JSON_TYPE, authorization: `Bearer ${TOKEN}` };
    expect(await ask(stop, right, '{}')).toMatchObject({ status: 409 });
    expect(page.url()).not.toContain(TOKEN);
    expect(tester.output()).not.toContain(TOKEN);
    await page.context().close();
    expect(complaints.get(page)).toEqual([]);
  });

  it('is started by nobody but itself', async () => {
    const tester = await start([]);
    const body = JSON.stringify({ host: service.url, users: 1, spawnRate: 1, runTime: '' });
    const from = (headers: Record<string, string>) =>
      ask(`${tester.url}api/start`, { ...JSON_TYPE, ...headers }, body);
    expect(await from({ origin: 'http://evil.example' })).toMatchObject({ status: 403 });
    expect(await from({ origin: 'null' })).toMatchObject({ status: 403 });
    expect(await from({ host: 'evil.example' })).toMatchObject({ status: 421 });
    expect(await from({ 'content-type': 'text/plain' })).toMatchObject({ status: 415 });
    const page = await open(`${service.url}/elsewhere`);
    const attack = `Promise.allSettled(['text/plain', 'application/json'].map((type) =>
      fetch('${tester.url}api/start', { method: 'POST', mode: type === 'text/plain' ? 'no-cors' : 'cors',
        headers: { 'content-type': type }, body: '${body}' })))`;
    await page.evaluate(attack);
    await page.goto(tester.url);
    await shows(page, 'Ready');
    await page.context().close();
    const answer = await ask(tester.url, {});
    expect(answer.headers['content-security-policy']).toMatch(
      /default-src 'none'; script-src 'self'/,
    );
    expect(await ask(`${tester.url}assets/..%2f..%2fpackage.json`, {})).toMatchObject({
      status: 404,
    });
    expect(await ask(`${tester.url}download/stats.csv`, {})).toMatchObject({ status: 404 });
  });

  it('needs no button with --autostart, and ends with --autoquit', async () => {
    const tester = await start([
      '--autostart',
      '--autoquit',
      '0',
      '-t',
      '1s',
      '-u',
      '2',
      '-r',
      '9',
    ]);
    expect(await tester.ended).toBe(1);
    expect(tester.output()).toMatch(/Aggregated/);
  });
});
