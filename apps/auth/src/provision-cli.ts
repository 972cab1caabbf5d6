// Makes accounts with live sessions for a load test, straight through the store: 10,000 logins
// would measure argon2 and nothing else. All of them have one password, hashed once.
//
//   node provision-cli.js --users 10000 --prefix load --output users.ndjson

import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { createPool, type Pool } from 'plimsoll';
import { resolveConfig } from './config.js';
import { Passwords } from './passwords.js';
import { writeSecretFile } from './secret-file.js';
import { plimsollCommands } from './store/drivers.js';
import { Store } from './store/store.js';
import { AccessTokens } from './tokens/access-tokens.js';
import { KeyRing } from './tokens/key-ring.js';
import { RefreshTokens } from './tokens/refresh-tokens.js';

/** Accounts that are made at the same time. */
const BATCH = 500;
const MAX_USERS = 1_000_000;
/** Accounts of a load test shall not stay where it took place, s. */
const LIFE_SECONDS = 24 * 60 * 60;
const PASSWORD_BYTES = 18;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      users: { type: 'string' },
      output: { type: 'string' },
      prefix: { type: 'string', default: 'load' },
    },
  });
  const users = Number(values.users);
  if (!Number.isInteger(users) || users < 1 || users > MAX_USERS || values.output === undefined) {
    throw new Error(`Needs --users 1 to ${MAX_USERS}, and --output <file>.`);
  }
  const config = resolveConfig(process.env);
  if (config.keysFile === undefined)
    throw new Error('AUTH_KEYS_FILE must name the service’s keys.');
  const keys = await KeyRing.open(config.keysFile);
  const tokens = new AccessTokens(keys, config);
  const refreshTokens = new RefreshTokens(keys);
  const pool = createPool({}, process.env) as Pool;
  const commands = plimsollCommands(pool);
  const store = new Store(commands, config);
  const password = randomBytes(PASSWORD_BYTES).toString('base64url');
  const passwordHash = await new Passwords(config).hash(password);
  const lifeSeconds = config.userSeconds || LIFE_SECONDS;
  const lines: string[] = [];
  const account = async (index: number) => {
    const username = `${values.prefix}-${index}`.toLowerCase();
    const user = await store.createUser(username, passwordHash, lifeSeconds);
    const { session, refresh } = await store.openSession(user);
    const access_token = await tokens.sign(session);
    const refresh_token = await refreshTokens.sign(refresh);
    lines[index] = JSON.stringify({ username, password, access_token, refresh_token });
  };
  try {
    for (let from = 0; from < users; from += BATCH) {
      const count = Math.min(BATCH, users - from);
      await Promise.all(Array.from({ length: count }, (_, index) => account(from + index)));
    }
    writeSecretFile(values.output, `${lines.join('\n')}\n`);
  } finally {
    await store.close();
  }
}

try {
  await main();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
