// The command `plimsoll-load`: flags in, progress and tables out, and an exit code that a pipeline
// can use: 0 passed, 1 not (--exit-code-on-error for failures and exceptions that no threshold
// judges), 2 bad input, 129, 130 or 143 stopped by SIGHUP, SIGINT or SIGTERM (with a report; a
// second signal ends at once, without).

import process from 'node:process';
import { asLoadError, type CommandLine, parseCommandLine } from './command-line.js';
import { LoadError, messageOf } from './errors.js';
import { listingText } from './listing.js';
import type { LoadOptions } from './options.js';
import type { LoadReport } from './report/load-report.js';
import { finalTables, progressPrinter, tablePrinter } from './report/terminal.js';
import { runLoad } from './run-load.js';
import { serveRuns } from './web/serve-runs.js';

const EXIT_MISSED = 1;
const EXIT_BAD_INPUT = 2;
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
/** npm and npx pass on what the terminal has sent to the whole group already: one wish, two signals. */
const SAME_WISH_MS = 500;

async function main(commandLine: CommandLine): Promise<number> {
  const { options, headless, web, exitCodeOnError, listing } = commandLine;
  if (listing !== undefined) {
    process.stdout.write(await listingText(options, listing));
    return 0;
  }
  if (!headless && web === undefined) {
    warn('The run goes on in this terminal, as with --headless; --web is for a page.');
  }
  const stop = new AbortController();
  let signalCode: number | undefined;
  let signalMs = 0;
  for (const [name, code] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      if (signalCode !== undefined && performance.now() - signalMs < SAME_WISH_MS) return;
      // The generators end when this process does.
      if (signalCode !== undefined) process.exit(code);
      signalCode = code;
      signalMs = performance.now();
      warn('Stopping; once more ends at once, without a report.');
      stop.abort();
    });
  }
  // A reader that went away (`| head`, a closed terminal) is no reason to lose the run.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  const { signal } = stop;
  const report =
    web === undefined
      ? await runLoad({ ...options, ...voices(commandLine), signal })
      : await serveRuns({
          web,
          ...web,
          optionsOf: () => ({ ...options, ...voices(commandLine) }),
          onReport: print,
          onUrl: (url) => warn(`The page is at ${url}`),
          signal,
        });
  if (web === undefined) print(report!);
  return signalCode ?? (report === undefined ? EXIT_MISSED : exitCodeOf(report, exitCodeOnError));
}

/** How a run speaks to the terminal; new ones for each, as they remember where it is. */
function voices({ output }: CommandLine): Partial<LoadOptions> {
  return {
    ...(output === 'progress' ? { onProgress: progressPrinter(process.stdout) } : {}),
    ...(output === 'tables' ? { onTable: tablePrinter(process.stdout) } : {}),
    onWarning: warn,
  };
}

function print(report: LoadReport): void {
  process.stdout.write(`\n${finalTables(report)}`);
}

function exitCodeOf(report: LoadReport, exitCodeOnError: number): number {
  if (report.passed) return 0;
  const { endReason, fileProblem, thresholds } = report;
  const isWhole = endReason !== 'generator-crashed' && fileProblem === null;
  const isErrorsAlone = isWhole && thresholds.every(({ passed }) => passed);
  return isErrorsAlone ? exitCodeOnError : EXIT_MISSED;
}

function warn(text: string): void {
  process.stderr.write(`plimsoll-load: ${text}\n`);
}

function fail(problem: unknown): number {
  const error = asLoadError(problem);
  if (error === undefined) return 0;
  const isInput = error instanceof LoadError;
  warn(isInput ? `${error.code}: ${error.message}` : messageOf(error));
  return isInput ? EXIT_BAD_INPUT : EXIT_MISSED;
}

try {
  process.exitCode = await main(parseCommandLine(process.argv.slice(2)));
} catch (error) {
  process.exitCode = fail(error);
}
