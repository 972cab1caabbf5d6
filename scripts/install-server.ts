// Sees to it that the programs which the demonstration and the tests need are there: a Redis or
// Valkey server, openssl for the TLS tests, wrk for the validation, nginx, locust and Prometheus for
// what lies in ops/. It installs them only where that needs no question, as root on a system with
// apt-get, and otherwise says in one line what to install.
// It never leaves a server running: Debian's package starts a service unless it is held back.

import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { finished } from 'node:stream/promises';
import { promisify } from 'node:util';

import { type FoundServer, findProgram, findServers } from './find-server.js';

const run = promisify(execFile);

const INSTALL_TIMEOUT_MS = 5 * 60_000;
/** Packages that start a service of their own name. */
const SERVICES = ['nginx', 'prometheus'];
/** How much of the log a failed installation shows. */
const SHOWN_LOG_LINES = 40;

/** What the advice depends on, so that a test can ask for any system. */
export interface SystemFacts {
  readonly platform: NodeJS.Platform;
  /** `ID` and `ID_LIKE` of /etc/os-release; empty where there is no such file. */
  readonly distributions: readonly string[];
}

/** One line that says how `name` gets onto this system. */
export function installAdvice(name: 'redis' | 'openssl', system: SystemFacts): string {
  const server = name === 'redis';
  const what = server ? 'No redis-server or valkey-server on the PATH' : 'No openssl on the PATH';
  return `${what}; install it with: ${installCommand(server, system)}`;
}

function installCommand(server: boolean, { platform, distributions }: SystemFacts): string {
  const has = (...names: string[]) => names.some((name) => distributions.includes(name));
  if (platform === 'win32') {
    return `wsl --install, then in that Linux: sudo apt-get install ${server ? 'redis-server' : 'openssl'}`;
  }
  if (platform === 'darwin') return `brew install ${server ? 'redis' : 'openssl'}`;
  if (has('debian', 'ubuntu')) {
    return `sudo apt-get install ${server ? 'redis-server' : 'openssl'}`;
  }
  if (has('fedora', 'rhel', 'centos')) return `sudo dnf install ${server ? 'valkey' : 'openssl'}`;
  if (has('alpine')) return `sudo apk add ${server ? 'redis' : 'openssl'}`;
  if (has('arch')) return `sudo pacman -S ${server ? 'valkey' : 'openssl'}`;
  return server ? 'your package manager (redis or valkey)' : 'your package manager (openssl)';
}

/** The distributions that an os-release text names, most specific first. */
export function parseOsRelease(text: string): string[] {
  const values = ['ID', 'ID_LIKE'].map((key) => {
    const match = new RegExp(`^${key}=["']?([^"'\\n]*)`, 'm').exec(text);
    return match?.[1] ?? '';
  });
  return values.join(' ').split(/\s+/).filter(Boolean);
}

async function systemFacts(): Promise<SystemFacts> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return { platform: process.platform, distributions: parseOsRelease(release) };
}

/**
 * The servers of this machine, at least one.
 * @throws Error of one line that says what to install, where it can't be installed from here.
 */
export async function ensureServer(): Promise<FoundServer[]> {
  const found = await findServers();
  if (found.length > 0) return found;
  await installOrAdvise('redis', 'redis-server');
  const installed = await findServers();
  if (installed.length > 0) return installed;
  throw new Error('apt-get installed redis-server, but no such program runs from the PATH.');
}

/**
 * The path of the openssl program, which makes the certificates of the TLS tests.
 * @throws Error of one line that says what to install, where it can't be installed from here.
 */
export async function ensureOpenssl(): Promise<string> {
  const found = await findProgram('openssl');
  if (found !== undefined) return found;
  await installOrAdvise('openssl', 'openssl');
  const installed = await findProgram('openssl');
  if (installed !== undefined) return installed;
  throw new Error('apt-get installed openssl, but no such program is on the PATH.');
}

/** The path of the load tester wrk; `undefined` where it isn't there and can't be installed. */
export function ensureWrk(): Promise<string | undefined> {
  return ensureOptional('wrk', 'wrk');
}

/** The path of the load tester locust; `undefined` where it isn't there and can't be installed. */
export function ensureLocust(): Promise<string | undefined> {
  return ensureOptional('locust', 'python3-locust');
}

/** The path of the web server nginx; `undefined` where it isn't there and can't be installed. */
export async function ensureNginx(): Promise<string | undefined> {
  // Distributions put it where only root's PATH looks.
  return (
    (await findProgram('nginx', '/usr/sbin:/usr/local/sbin')) ?? ensureOptional('nginx', 'nginx')
  );
}

/**
 * The paths of Prometheus and of promtool, which checks its rules; `undefined` where they aren't there
 * and can't be installed.
 */
export async function ensurePrometheus(): Promise<PrometheusPrograms | undefined> {
  const prometheus = await ensureOptional('prometheus', 'prometheus');
  const promtool = await findProgram('promtool');
  if (prometheus === undefined || promtool === undefined) return undefined;
  return { prometheus, promtool };
}

export interface PrometheusPrograms {
  readonly prometheus: string;
  readonly promtool: string;
}

async function ensureOptional(name: string, debianPackage: string): Promise<string | undefined> {
  const found = await findProgram(name);
  if (found !== undefined || !(await canInstall())) return found;
  await aptInstall(debianPackage).catch(() => undefined);
  return findProgram(name);
}

async function canInstall(): Promise<boolean> {
  const isRoot = process.getuid?.() === 0;
  return isRoot && (await findProgram('apt-get')) !== undefined;
}

async function installOrAdvise(name: 'redis' | 'openssl', debianPackage: string): Promise<void> {
  if (!(await canInstall())) throw new Error(installAdvice(name, await systemFacts()));
  await aptInstall(debianPackage);
}

/** Installs one Debian package; what apt-get prints is shown only where it fails. */
async function aptInstall(debianPackage: string): Promise<void> {
  process.stderr.write(`Installing ${debianPackage} with apt-get ...\n`);
  const folder = await mkdtemp(path.join(tmpdir(), 'plimsoll-install-'));
  const log = path.join(folder, 'apt-get.log');
  try {
    await withoutService(debianPackage, async () => {
      // One unreachable source fails an update whose other sources have what is wanted.
      await logged(log, 'apt-get', ['update', '-q']).catch(() => undefined);
      await logged(log, 'apt-get', [
        'install',
        // Another test may be installing something else.
        `-oDPkg::Lock::Timeout=${INSTALL_TIMEOUT_MS / 1000}`,
        '-y',
        '-q',
        '--no-install-recommends',
        debianPackage,
      ]);
    });
  } catch {
    // The cause would only repeat the log.
    const lines = (await readFile(log, 'utf8').catch(() => '')).trimEnd().split('\n');
    const shown = lines.slice(-SHOWN_LOG_LINES).join('\n');
    throw new Error(`apt-get could not install ${debianPackage}:\n${shown}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Runs an installation whose package would start its service. Two things start it: invoke-rc.d,
 * which believes RUNLEVEL (see `logged`), and systemd, whose unit is masked for the time.
 */
async function withoutService(debianPackage: string, install: () => Promise<void>): Promise<void> {
  const hasSystemd = await access('/run/systemd/system').then(
    () => true,
    () => false,
  );
  const isService = debianPackage.endsWith('-server') || SERVICES.includes(debianPackage);
  if (!hasSystemd || !isService) return install();
  const unit = `${debianPackage}.service`;
  // A failing systemctl is no reason to stop: at worst the service runs, on its own port.
  const systemctl = (...args: string[]) => run('systemctl', args).catch(() => undefined);
  await systemctl('mask', '--runtime', unit);
  try {
    await install();
  } finally {
    await systemctl('unmask', '--runtime', unit);
    await systemctl('disable', unit);
  }
}

/** Runs a program without questions and appends all that it prints to the log. */
async function logged(log: string, program: string, args: readonly string[]): Promise<void> {
  const output = createWriteStream(log, { flags: 'a' });
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  try {
    const child = run(program, args, { env: environment, timeout: INSTALL_TIMEOUT_MS });
    child.child.stdout?.pipe(output, { end: false });
    child.child.stderr?.pipe(output, { end: false });
    await child;
  } finally {
    output.end();
    await finished(output);
  }
}
