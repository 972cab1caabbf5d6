// Durations as people type them on a command line: `300`, `20s`, `5m`, `1h30m`.
// A bare number is seconds. Units go from large to small, each at most once.

import { LoadError } from './errors.js';

const DURATION = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?$/;
const BARE_SECONDS = /^\d+(?:\.\d+)?$/;
const MAX_DURATION_S = 24 * 3600;

/** Milliseconds; throws `INVALID_OPTION` for anything else than a duration up to a day. */
export function parseDuration(text: string, option = 'run time'): number {
  const seconds = BARE_SECONDS.test(text) ? Number(text) : secondsOf(text);
  if (!(seconds > 0) || seconds > MAX_DURATION_S) {
    throw new LoadError(
      'INVALID_OPTION',
      `The ${option} '${text}' is not a duration: write 300, 20s, 5m or 1h30m, at most 24h.`,
    );
  }
  return Math.round(seconds * 1000);
}

function secondsOf(text: string): number {
  const match = DURATION.exec(text);
  if (match === null || text === '') return Number.NaN;
  const [, hours = '0', minutes = '0', seconds = '0'] = match;
  return Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
}

/** `1 h 2 min 3 s`, without the parts that are zero. */
export function formatDuration(durationMs: number): string {
  const total = Math.round(durationMs / 1000);
  const parts = [
    [Math.floor(total / 3600), 'h'],
    [Math.floor((total % 3600) / 60), 'min'],
    [total % 60, 's'],
  ] as const;
  const shown = parts.filter(([amount]) => amount > 0).map(([amount, unit]) => `${amount} ${unit}`);
  return shown.join(' ') || '0 s';
}
