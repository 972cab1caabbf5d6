// The README's first command: the service in production shape, 1,000 users on it for half a minute,
// the table of what that did; then it goes on serving until Ctrl-C. `--once` ends after the table,
// with exit code 0 when every row passed.

import { canListen, freePort } from './free-port.js';
import { FIRST_IMPRESSION } from './validation/phases.js';
import { toText } from './validation/report.js';
import { runPhase } from './validation/run-phase.js';
import { openStage, type Stage } from './validation/stage.js';
import { warmUp } from './validation/warm-up.js';

const DEFAULT_PORT = 8000;

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.find((arg) => arg !== '--once');
  if (unknown !== undefined) {
    console.error(`Unknown argument ${unknown}; there is --once.`);
    return 2;
  }
  const wanted = Number(process.env.PORT ?? DEFAULT_PORT);
  const port = (await canListen(wanted)) ? wanted : await freePort();
  const stage = await openStage({ port, hasDashboard: true });
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  try {
    const { url } = stage.service;
    console.log(`${stage.serverVersion}; four workers at ${url}
Watch them live:  ${url}/dashboard

Warming up ...`);
    const seconds = FIRST_IMPRESSION.seconds.short;
    const drive = warmUp(stage.service).then(() => runPhase(stage, FIRST_IMPRESSION, { seconds }));
    const section = await Promise.race([drive, stopped]);
    if (section === undefined) return 130;
    console.log(`\n${toText(section)}`);
    if (!args.includes('--once')) await serve(stage, stopped);
    return section.rows.every(({ passed }) => passed) ? 0 : 1;
  } finally {
    await stage.close();
  }
}

async function serve({ service: { url } }: Stage, stopped: Promise<void>): Promise<void> {
  console.log(`Serving until Ctrl-C:
  ${url}/dashboard              the pool, live
  ${url}/health/redis           is the pool well?
  ${url}/metrics                for Prometheus, all workers
  ${url}/.well-known/jwks.json  the public keys

  curl -X POST ${url}/auth/register -H 'content-type: application/json' \\
    -d '{"username":"ada","password":"correct horse battery"}'
`);
  await stopped;
}

// The generator's children may outlive a cancelled run by a moment; nobody waits for them.
process.exit(await main(process.argv.slice(2)));
