// The command `plimsoll-load`: flags in, progress and tables out, and an exit code that a pipeline
// can use: 0 passed, 1 a threshold missed or a generator crashed, 2 bad input, 130 or 143 stopped
// by SIGINT or SIGTERM (with a report; a second signal ends at once, without).

import process from 'node:process';
import { asLoadError, type CommandLine, parseCommandLine } from './command-line.js';
import { LoadError, messageOf } from './errors.js';
import { finalTables, progressPrinter } from './report/terminal.js';
import { runLoad } from './run-load.js';

const EXIT_MISSED = 1;
const EXIT_BAD_INPUT = 2;
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

async function main({ options, headless }: CommandLine): Promise<number> {
  if (!headless) warn('There is no web UI: the run goes on in this terminal, as with --headless.');
  const stop = new AbortController();
  let signalCode: number | undefined;
  for (const [name, code] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      // The generators end when this process does.
      if (signalCode !== undefined) process.exit(code);
      signalCode = code;
      warn('Stopping; once more ends at once, without a report.');
      stop.abort();
    });
  }
  const report = await runLoad({
    ...options,
    signal: stop.signal,
    onProgress: progressPrinter(process.stdout),
    onWarning: warn,
  });
  process.stdout.write(`\n${finalTables(report)}`);
  return signalCode ?? (report.passed ? 0 : EXIT_MISSED);
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
