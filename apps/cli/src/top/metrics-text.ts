// Prometheus' text format, read: samples by name, rates between two scrapes, quantiles of a histogram.

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** One scrape. */
export class Scrape {
  readonly #samples = new Map<string, Sample[]>();

  constructor(
    text: string,
    readonly atMs: number,
  ) {
    for (const line of text.split('\n')) {
      const match = line.startsWith('#') ? null : LINE.exec(line);
      if (match === null) continue;
      const [, name = '', labels = '', value] = match;
      const samples = this.#samples.get(name) ?? [];
      this.#samples.set(name, samples);
      samples.push({ labels: labelsOf(labels), value: Number(value) });
    }
  }

  samples(name: string): readonly Sample[] {
    return this.#samples.get(name) ?? [];
  }

  /** Of all series with these labels; `undefined` where there is none. */
  sum(name: string, labels: Sample['labels'] = {}): number | undefined {
    const found = this.samples(name).filter((sample) => hasLabels(sample, labels));
    return found.length === 0 ? undefined : found.reduce((total, { value }) => total + value, 0);
  }

  max(name: string): number | undefined {
    const found = this.samples(name);
    return found.length === 0 ? undefined : Math.max(...found.map(({ value }) => value));
  }

  /** Each value of a label once, in the order of their appearance. */
  valuesOf(name: string, label: string): string[] {
    return [...new Set(this.samples(name).flatMap(({ labels }) => labels[label] ?? []))];
  }
}

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [, name = '', value = ''] of text.matchAll(LABEL)) {
    labels[name] = value.replace(/\\(.)/g, (_, char) => (char === 'n' ? '\n' : char));
  }
  return labels;
}

function hasLabels(sample: Sample, labels: Sample['labels']): boolean {
  return Object.entries(labels).every(([name, value]) => sample.labels[name] === value);
}

/** A counter's growth by the second; `undefined` without a scrape before, or after a restart. */
export function rate(
  before: Scrape | undefined,
  now: Scrape,
  name: string,
  labels: Sample['labels'] = {},
): number | undefined {
  const [earlier, later] = [before?.sum(name, labels), now.sum(name, labels)];
  if (before === undefined || earlier === undefined || later === undefined) return undefined;
  const seconds = (now.atMs - before.atMs) / 1000;
  return later < earlier || seconds <= 0 ? undefined : (later - earlier) / seconds;
}

/** Of what came since the scrape before, or without one since the start; in the unit of the buckets. */
export function quantile(
  before: Scrape | undefined,
  now: Scrape,
  name: string,
  part: number,
): number | undefined {
  const bucket = `${name}_bucket`;
  const bounds = now
    .valuesOf(bucket, 'le')
    .map((le) => ({ le, bound: le === '+Inf' ? Infinity : Number(le) }))
    .sort((one, other) => one.bound - other.bound);
  const counts = bounds.map(({ le }) => {
    const earlier = before?.sum(bucket, { le }) ?? 0;
    const later = now.sum(bucket, { le }) ?? 0;
    return later >= earlier ? later - earlier : later;
  });
  const total = counts.at(-1) ?? 0;
  if (total === 0) return undefined;
  const wanted = part * total;
  const at = counts.findIndex((count) => count >= wanted);
  const [low, high] = [bounds[at - 1]?.bound ?? 0, bounds[at]!.bound];
  if (high === Infinity) return low;
  const below = counts[at - 1] ?? 0;
  return low + ((high - low) * (wanted - below)) / (counts[at]! - below);
}
