// Counting by a key that comes from outside, in a bounded number of entries: what is beyond the
// bound is counted as "other", so that a message with an id in it costs no memory and nothing is
// left out.

export const OTHER_NAMES = '(other names)';
export const OTHER_ERRORS = '(other errors)';

/** The entry of a key, made when it is new; the shared one where there are too many. */
export function boundedEntry<T>(
  entries: Map<string, T>,
  limit: number,
  key: string,
  create: (isOther: boolean) => T,
): T {
  const isOther = !entries.has(key) && entries.size >= limit;
  const usedKey = isOther ? OTHER_ERRORS : key;
  let entry = entries.get(usedKey);
  if (entry === undefined) {
    entry = create(isOther);
    entries.set(usedKey, entry);
  }
  return entry;
}
