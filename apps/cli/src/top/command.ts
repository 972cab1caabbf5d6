// `plimsoll top`: looks again and again, and shows what it sees until somebody ends it.

import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { PoolError } from 'plimsoll';
import { type Command, type Context, EXIT_OK, numberFlag, parseFlags } from '../command.js';
import { RedisSource } from './redis-source.js';
import { openScreen, type Screen } from './screen.js';
import { ServiceSource } from './service-source.js';
import type { Source, View } from './view.js';

const DEFAULT_INTERVAL_S = 2;
const LEAST_INTERVAL_S = 0.1;
const MOST_INTERVAL_S = 3_600;

const FLAGS = {
  url: { type: 'string' },
  'token-file': { type: 'string' },
  interval: { type: 'string', default: String(DEFAULT_INTERVAL_S) },
  once: { type: 'boolean', default: false },
} as const;

export const topCommand: Command = {
  summary: 'shows what a running service, or Redis itself, is doing',
  help: `Usage: plimsoll top [--url URL] [--token-file FILE] [--interval SECONDS] [--once]

With --url the pools of a running service, from its Prometheus metrics, all workers and each for
itself; without it the servers that the environment names (REDIS_URL, ...), from INFO.

  --url URL           e.g. http://127.0.0.1:8001/metrics
  --token-file FILE   holds the bearer token that the metrics ask for
  --interval SECONDS  between two looks, from ${LEAST_INTERVAL_S} (default: ${DEFAULT_INTERVAL_S})
  --once              one picture over one interval, then the end

Ctrl-C ends it. In a pipe one picture follows the other, as plain text.
Exit code: 0, 64 wrong flags, 70 nobody answered the first look, or the one of --once.
`,
  async run(args, context) {
    const flags = parseFlags(args, FLAGS);
    const seconds = numberFlag('interval', flags.interval, LEAST_INTERVAL_S, MOST_INTERVAL_S);
    const source = await sourceOf(flags.url, flags['token-file'], context.env);
    try {
      // Rates need two looks; who cannot be asked at all is no picture but an error.
      const first = await source.look();
      await watch(source, first, { ...context, intervalMs: seconds * 1000, isOnce: flags.once });
    } finally {
      await source.close();
    }
    return EXIT_OK;
  },
};

async function sourceOf(
  url: string | undefined,
  tokenFile: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<Source> {
  if (url === undefined) {
    if (tokenFile === undefined) return new RedisSource(env);
    throw new PoolError('INVALID_ARGUMENT', '--token-file is for --url');
  }
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new PoolError('INVALID_ARGUMENT', '--url must be an http:// or https:// address');
  }
  const token = tokenFile === undefined ? undefined : await readToken(tokenFile);
  return new ServiceSource(url, token);
}

async function readToken(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'no reason given';
    throw new PoolError(
      'INVALID_ARGUMENT',
      `--token-file names a file that cannot be read (${code})`,
    );
  }
}

interface Watch extends Context {
  readonly intervalMs: number;
  readonly isOnce: boolean;
}

async function watch(
  source: Source,
  first: View,
  { stdout, env, signal, intervalMs, isOnce }: Watch,
): Promise<void> {
  const isLive = stdout.isTTY === true && !isOnce;
  const output = isLive ? stdout : { write: (text: string) => stdout.write(text) };
  const screen = openScreen(output, !env.NO_COLOR);
  try {
    if (isLive) screen.show(first);
    let last = first;
    for (;;) {
      await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      if (isOnce) return screen.show(await source.look());
      last = await showNext(source, screen, last);
    }
  } finally {
    screen.close();
  }
}

/** A look that fails leaves the picture before it, and says so. */
async function showNext(source: Source, screen: Screen, last: View): Promise<View> {
  try {
    const view = await source.look();
    screen.show(view);
    return view;
  } catch (error) {
    screen.show(last, `No answer; this is old: ${(error as Error).message}`);
    return last;
  }
}
