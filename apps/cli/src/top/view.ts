// What `top` shows, as plain data: `service-view.ts` and `redis-view.ts` make it, `screen.ts` draws it.

/** The lines of the dashboard, the alerts and the health endpoint, percent. */
export const LINES = { warning: 60, alert: 80 } as const;

/** A part of a whole, drawn as a bar. */
export interface Gauge {
  readonly name: string;
  /** 0 to 100; above it stays full. */
  readonly percent: number;
  readonly text: string;
  /** Where the bar turns yellow and red, percent. */
  readonly warning: number;
  readonly alert: number;
}

export interface Table {
  readonly title: string;
  /** The first column is text, all others are numbers. */
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface View {
  readonly title: string;
  readonly gauges: readonly Gauge[];
  /** Names and what they are. */
  readonly lines: readonly (readonly [name: string, text: string])[];
  readonly tables: readonly Table[];
}

/** Something that can be looked at again and again. */
export interface Source {
  /** Since the look before, where there was one; rates are missing on the first. */
  look(): Promise<View>;
  close(): Promise<void>;
}

/** `12,345`, `12.3`, `0.12`, and `-` for what is not known. */
export function figure(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '-';
  const digits = value === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', {
    maximumFractionDigits: Number.isInteger(value) ? 0 : digits,
  });
}
