// The command with --web: looks at everything first, as a run does, then serves the page until a
// signal comes, or until so long after a run as --autoquit says.

import { setTimeout as delay } from 'node:timers/promises';
import type { LoadOptions, LoadReport } from '../options.js';
import { checkAll } from '../run-load.js';
import { checkWebOptions, type WebOptions } from './access.js';
import { RunSession } from './run-session.js';
import type { Subject } from './views.js';
import { WebServer } from './web-server.js';

const SHAPED = 'A load shape decides how many users there are.';
/** Stands in for the host that the page will name, while everything else is looked at. */
const UNKNOWN_HOST = 'http://localhost';
const OPEN = 'In the open model the rate is the load, and the users are its connections.';

export interface ServeOptions {
  readonly web: WebOptions;
  /** The first run starts without the page's button. */
  readonly autostart: boolean;
  /** How long after the first run the program ends; undefined: it goes on. */
  readonly autoquitMs: number | undefined;
  /** Of each run, beside what the page decides; the host may be left empty for it. */
  readonly optionsOf: () => LoadOptions;
  readonly onReport: (report: LoadReport) => void;
  /** The page's address. */
  readonly onUrl: (url: string) => void;
  /** Ends it, with a report where a run is under way. */
  readonly signal: AbortSignal;
}

/**
 * Resolves with the report of the latest run, if there was any.
 * @throws LoadError for options with which no run could start.
 */
export async function serveRuns(options: ServeOptions): Promise<LoadReport | undefined> {
  const { web, autostart, autoquitMs, optionsOf, onReport, onUrl, signal } = options;
  checkWebOptions(web);
  const given = optionsOf();
  const host = given.host || UNKNOWN_HOST;
  const { checked, userClasses } = await checkAll({ ...given, host });
  const { plan, rate } = checked;
  const shaped = plan === undefined ? null : SHAPED;
  const subject: Subject = {
    userClasses: userClasses.map(({ name }) => name).join(', '),
    fixedUsers: shaped,
    fixedWhileRunning: shaped ?? (rate === undefined ? null : OPEN),
  };
  const session: RunSession = new RunSession({ ...checked, host: given.host }, optionsOf, {
    onPhase: () => server.tellState(),
    onSecond: () => server.tellSecond(),
    onReport,
  });
  const server = new WebServer(web, session, subject);
  onUrl(await server.listen());
  const ended = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  try {
    if (autostart) await session.start();
    if (autostart && autoquitMs !== undefined) {
      const quit = session.untilEnded().then(() => delay(autoquitMs, undefined, { signal }));
      await Promise.race([ended, quit]).catch(() => {});
    } else {
      await ended;
    }
  } finally {
    await session.close();
    await server.close();
  }
  return session.record?.report;
}
