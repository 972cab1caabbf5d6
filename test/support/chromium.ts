// A real browser for tests of pages: Debian's Chromium, driven by playwright-core. Where it is
// missing and the tests run as root on Debian, it is installed; elsewhere the error says how.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { type Browser, chromium } from 'playwright-core';

const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const INSTALL_TIMEOUT_MS = 300_000;
const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The caller closes it. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: ensureChromium(), args: ARGUMENTS });
}

/** The path of a Chromium; installs it where it may. */
export function ensureChromium(): string {
  const found = findChromium();
  if (found !== undefined) return found;
  if (process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    const options = { stdio: 'ignore', timeout: INSTALL_TIMEOUT_MS } as const;
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    execFileSync('apt-get', ['update'], { ...options, env });
    execFileSync('apt-get', ['install', '-y', 'chromium'], { ...options, env });
  }
  const installed = findChromium();
  if (installed !== undefined) return installed;
  throw new Error('These tests need Chromium: set CHROMIUM_PATH, or install it.');
}

function findChromium(): string | undefined {
  const candidates = [process.env.CHROMIUM_PATH ?? '', ...CANDIDATES];
  return candidates.find((file) => file !== '' && existsSync(file));
}
