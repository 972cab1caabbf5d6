// Numbers as the page shows them: as many digits as help, the same everywhere.

const WHOLE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const ONE_DIGIT = new Intl.NumberFormat('en', {
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
const LARGE = 100;

export function whole(value: number): string {
  return WHOLE.format(value);
}

/** A rate or a time: one digit after the point below 100. */
export function measure(value: number): string {
  return (value >= LARGE ? WHOLE : ONE_DIGIT).format(value);
}

export function percent(part: number, of: number): string {
  if (of === 0 || part === 0) return '0 %';
  const value = (100 * part) / of;
  return value < 0.1 ? 'under 0.1 %' : `${measure(value)} %`;
}

/** `1:02:03`, or `2:03`. */
export function duration(elapsedMs: number): string {
  const seconds = Math.max(0, Math.round(elapsedMs / 1000));
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  return hours > 0
    ? `${hours}:${two(minutes)}:${two(seconds % 60)}`
    : `${minutes}:${two(seconds % 60)}`;
}

/** Of the day, in the reader's time zone. */
export function clock(timeMs: number): string {
  return new Date(timeMs).toTimeString().slice(0, 8);
}
