// Run as a child process: asks servers that can't be reached, prints how that ended, and neither
// closes its pools nor ends itself. Its argument is a JSON list of options.

import { CoreClient, openPool } from '../core-client.js';
import { outcomeOf } from '../outcome.js';

const targets = JSON.parse(process.argv[3] as string) as Parameters<typeof openPool>[0][];
process.stdout.write('started\n');
await Promise.all(
  targets.map(async (options) => {
    const pool = openPool(options);
    const { code, error } = await outcomeOf(new CoreClient(pool).read('PING'));
    const cause = (error?.cause as { code?: string } | undefined)?.code;
    process.stdout.write(`${code} ${cause}\n`);
  }),
);
