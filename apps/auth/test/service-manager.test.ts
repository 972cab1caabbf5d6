// The service under whoever starts it: a shell with a pid file, npm, systemd. Signals reach it, nobody
// is left behind, and systemd is told what becomes of it.

import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { useServer } from '../../../test/support/servers.js';
import { until } from '../../../test/support/until.js';
import { endServices, MAIN, startService } from './support/primary.js';

/** Workers start one after the other, on a machine that may be busy, ms. */
const RELOADED_WITHIN_MS = 60_000;
/** Starting processes is what takes the time here. */
const ONE_WORKER = { WEB_CONCURRENCY: '1' };
const NPM_SERVE = ['npm', 'run', '--silent', 'serve'] as const;

describe('the service', () => {
  const server = useServer();
  const folder = mkdtempSync(path.join(tmpdir(), 'service-manager-'));
  const newFile = (name: string) => path.join(folder, name);
  const pidIn = (file: string) => Number(readFileSync(file, 'utf8'));
  afterAll(async () => {
    await endServices();
    rmSync(folder, { recursive: true });
  });

  test('reloads on SIGHUP to the pid in its file, and ends when npm is hung up', async () => {
    const pidFile = newFile('npm.pid');
    const service = await startService(
      server().url,
      { ...ONE_WORKER, AUTH_PID_FILE: pidFile },
      NPM_SERVE,
    );
    const primary = pidIn(pidFile);
    expect(primary).not.toBe(service.primary.pid);
    process.kill(primary, 'SIGHUP');
    await until(() => service.output().includes('"event":"reloaded"'), RELOADED_WITHIN_MS);
    service.primary.kill('SIGHUP');
    await until(() => !existsSync(pidFile), RELOADED_WITHIN_MS);
    await expect(fetch(service.url)).rejects.toThrow();
  }, 120_000);

  test('reloads into the release that a link leads to by then', async () => {
    const [first, second, current] = ['release-1', 'release-2', 'current'].map(newFile) as [
      string,
      string,
      string,
    ];
    symlinkSync(path.dirname(MAIN), first);
    mkdirSync(second);
    writeFileSync(path.join(second, 'package.json'), '{"type":"module"}');
    const text = `console.log('the second release'); await import(${JSON.stringify(MAIN)});`;
    writeFileSync(path.join(second, 'main.js'), text);
    symlinkSync(first, current);
    const command = [process.execPath, path.join(current, 'main.js')] as const;
    const service = await startService(server().url, ONE_WORKER, command);
    expect(service.output()).not.toContain('the second release');
    rmSync(current);
    symlinkSync(second, current);
    service.primary.kill('SIGHUP');
    await until(() => service.output().includes('"event":"reloaded"'), RELOADED_WITHIN_MS);
    expect(service.output()).toContain('the second release');
  }, 120_000);

  test('ends with npm on SIGTERM', async () => {
    const pidFile = newFile('term.pid');
    const service = await startService(
      server().url,
      { ...ONE_WORKER, AUTH_PID_FILE: pidFile },
      NPM_SERVE,
    );
    service.primary.kill('SIGTERM');
    await once(service.primary, 'exit');
    await until(() => !existsSync(pidFile), RELOADED_WITHIN_MS);
  }, 60_000);

  test('leaves the pid file of the one that serves alone when its port is taken', async () => {
    const pidFile = newFile('twice.pid');
    const first = await startService(server().url, { ...ONE_WORKER, AUTH_PID_FILE: pidFile });
    const { port } = new URL(first.url);
    const second = await startService(server().url, {
      ...ONE_WORKER,
      AUTH_PID_FILE: pidFile,
      PORT: port,
    });
    await until(() => second.primary.exitCode !== null, RELOADED_WITHIN_MS);
    expect(second.primary.exitCode).not.toBe(0);
    expect(second.output()).toContain('EADDRINUSE');
    expect(pidIn(pidFile)).toBe(first.primary.pid);
    first.primary.kill('SIGTERM');
    await once(first.primary, 'exit');
    expect(existsSync(pidFile)).toBe(false);
  }, 120_000);

  test('tells systemd when it is ready, reloads, runs, and stops', async () => {
    const told = path.join(folder, 'told');
    const program = path.join(folder, 'systemd-notify');
    writeFileSync(program, `#!/bin/sh\necho "$*" >> ${told}\n`);
    chmodSync(program, 0o755);
    const service = await startService(server().url, {
      ...ONE_WORKER,
      PATH: `${folder}:${process.env.PATH}`,
      NOTIFY_SOCKET: path.join(folder, 'socket'),
      WATCHDOG_USEC: '400000',
    });
    const states = () =>
      existsSync(told)
        ? readFileSync(told, 'utf8')
            .split('\n')
            .filter((state) => state !== '')
        : [];
    await until(() => states().includes('WATCHDOG=1'), RELOADED_WITHIN_MS);
    service.primary.kill('SIGHUP');
    await until(
      () => states().filter((state) => state === 'READY=1').length === 2,
      RELOADED_WITHIN_MS,
    );
    service.primary.kill('SIGTERM');
    await once(service.primary, 'exit');
    const others = () => states().filter((state) => state !== 'WATCHDOG=1');
    await until(() => others().length === 4);
    expect(others()).toEqual(['READY=1', 'RELOADING=1', 'READY=1', 'STOPPING=1']);
  }, 120_000);
});
