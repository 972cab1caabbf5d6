// Several servers' replies to one command, made one. Pure: what failed is judged before.

import type { Fold } from '../../policy/routing.js';

/** One server's reply, and which of the caller's keys it is for, by their places. */
export interface PartReply {
  readonly value: unknown;
  readonly places: readonly number[];
}

const NUMBERS: Partial<Record<Fold, (a: number, b: number) => number>> = {
  sum: (a, b) => a + b,
  min: Math.min,
  max: Math.max,
  and: (a, b) => (a && b ? 1 : 0),
  or: (a, b) => (a || b ? 1 : 0),
};

/** Whether it computes, so that numbers come out of it whatever the caller wants. */
export function isNumeric(fold: Fold): boolean {
  return NUMBERS[fold] !== undefined;
}

/** @param parts At least one. @param random Uniform in [0, 1). */
export function foldReplies(
  fold: Fold,
  parts: readonly PartReply[],
  random: () => number = Math.random,
): unknown {
  const values = parts.map(({ value }) => value);
  const combine = NUMBERS[fold];
  if (combine !== undefined) {
    return values.reduce((sum, value) => withNumbers(sum, value, combine));
  }
  switch (fold) {
    case 'merge':
      return values.reduce(merged);
    case 'by key':
      return byKey(parts);
    case 'one of':
      return oneOf(values, random);
    default:
      return values[0];
  }
}

/** Numbers, or lists of as many, as SCRIPT EXISTS answers; where it is neither, the first. */
function withNumbers(
  sum: unknown,
  value: unknown,
  combine: (a: number, b: number) => number,
): unknown {
  if (Array.isArray(sum) && Array.isArray(value)) {
    return sum.map((item, index) => withNumbers(item, value[index], combine));
  }
  const [left, right] = [numberOf(sum), numberOf(value)];
  return left === undefined || right === undefined ? sum : combine(left, right);
}

/** Where the caller wants numbers as text, they come as such. */
function numberOf(value: unknown): number | undefined {
  const isNumber = typeof value === 'number' || typeof value === 'string';
  return isNumber && !Number.isNaN(Number(value)) ? Number(value) : undefined;
}

function merged(all: unknown, value: unknown): unknown {
  if (Array.isArray(all) && Array.isArray(value)) return all.concat(value);
  if (all instanceof Set && value instanceof Set) return new Set([...all, ...value]);
  if (all instanceof Map && value instanceof Map) return new Map([...all, ...value]);
  if (isRecord(all) && isRecord(value)) return Object.assign(Object.create(null), all, value);
  return all;
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Buffer.isBuffer(value);
}

/** What came for each key, in the caller's order. */
function byKey(parts: readonly PartReply[]): unknown {
  const all: unknown[] = [];
  for (const { value, places } of parts) {
    if (!Array.isArray(value)) return value;
    for (const [index, place] of places.entries()) all[place] = value[index];
  }
  return all;
}

/** Of several servers' keys one, by chance; nothing where nobody has any. */
function oneOf(values: readonly unknown[], random: () => number): unknown {
  const found = values.filter((value) => value !== null && value !== undefined);
  return found[Math.floor(random() * found.length)] ?? null;
}
