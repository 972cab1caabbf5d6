import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseCommandLine } from './command-line.js';

const folder = mkdtempSync(path.join(os.tmpdir(), 'plimsoll-load-flags-'));
afterAll(() => rmSync(folder, { recursive: true }));

function configFile(text: string): string {
  const file = path.join(folder, `${readdirSync(folder).length}.conf`);
  writeFileSync(file, text);
  return file;
}

const HOST = { LOCUST_HOST: 'http://a' };

describe('flags', () => {
  it('come from the command line, else the environment, else the file', () => {
    const text =
      '# of the team\nusers = 1\nspawn-rate: 2\nrun_time 5m\nheadless\nhost = http://b\n';
    const args = ['Some', '--config', configFile(text), '-u', '3'];
    const { options, headless } = parseCommandLine(args, { ...HOST, LOCUST_SPAWN_RATE: '4' });
    expect(options).toMatchObject({
      userClass: ['Some'],
      users: 3,
      spawnRate: 4,
      runTimeMs: 300_000,
      host: 'http://a',
    });
    expect(headless).toBe(true);
  });

  it('that are lists or true and false are read from texts', () => {
    const text = 'tags = [a, b]\nexclude-tags = c d\nonly-summary = false\nreset-stats = yes\n';
    const { options, output } = parseCommandLine(['--config', configFile(text)], HOST);
    expect(options).toMatchObject({ tags: ['a', 'b'], excludeTags: ['c', 'd'], resetStats: true });
    expect(output).toBe('progress');
    expect(options.userClass).toBeUndefined();
  });

  it.each([
    [['--config', configFile('sail = 3\n')], {}, /line 1: 'sail' is no flag/],
    [['--config', path.join(folder, 'none')], {}, /can't be read/],
    [[], { LOCUST_USERS: 'many' }, /'many' is no number/],
    [[], { LOCUST_HEADLESS: 'perhaps' }, /true or false, not 'perhaps'/],
    [['--exit-code-on-error', '256'], {}, /not from 0 to 255/],
  ])('that make no sense are refused: %j %j', (args, environment, message) => {
    const parse = () => parseCommandLine(args, { ...HOST, ...environment });
    expect(parse).toThrow(message);
    expect(parse).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  });

  it('ask for a host only where something is sent', () => {
    expect(() => parseCommandLine(['Some'], {})).toThrow(/--host/);
    expect(parseCommandLine(['--list'], {}).listing).toBe('classes');
    expect(parseCommandLine(['--show-task-ratio-json'], {}).listing).toBe('task-ratio-json');
  });

  it('ask for the page, and not beside --headless', () => {
    const web = (...args: string[]) => parseCommandLine(['Some', ...args], {}).web;
    const defaults = { host: '127.0.0.1', port: 8089, autostart: false, autoquitMs: undefined };
    expect(web('--web')).toEqual({ ...defaults, token: undefined });
    expect(web('-P', '9000')).toMatchObject({ port: 9000 });
    expect(web('--autostart', '--autoquit', '0')).toMatchObject({ autostart: true, autoquitMs: 0 });
    const team = { ...HOST, LOCUST_WEB_PORT: '9000', LOCUST_WEB_TOKEN: 'x'.repeat(16) };
    expect(parseCommandLine(['Some'], team).web).toMatchObject({ token: 'x'.repeat(16) });
    expect(parseCommandLine(['Some', '--headless'], team).web).toBeUndefined();
    expect(() => web('--web', '--headless')).toThrow(/exclude each other/);
    expect(() => web('--web', '--autoquit', '3')).toThrow(/for the run of --autostart/);
  });

  it('name several files and classes', () => {
    const { options } = parseCommandLine(['-f', 'a.js, b.ts', 'One', 'Two'], HOST);
    expect(options).toMatchObject({ locustfiles: ['a.js', 'b.ts'], userClass: ['One', 'Two'] });
  });
});
