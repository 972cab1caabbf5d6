// What a CommonJS file exports, whoever loads it. Node gives all of it as `default`; a loader that
// makes CommonJS of this library (tsx, Jest) gives the file's own `default`, if it has one; bundlers
// do the one or the other. So nobody's word is taken for it: the names that are wanted are looked for.

/** A `default` inside of another is as deep as any loader goes. */
const DEEPEST = 3;

/**
 * The first of the module and its defaults that has all names.
 * @throws Error in one sentence where none has.
 */
export function exportsOf<T extends object>(module: object, names: readonly (keyof T)[]): T {
  let found: unknown = module;
  for (let depth = 0; depth < DEEPEST && isHolder(found); depth++) {
    const holder = found;
    if (names.every((name) => holder[name as string] !== undefined)) return holder as T;
    found = holder.default;
  }
  throw new Error(
    `Plimsoll can't find ${names.join(', ')} of @redis/client: load both as Node does, that is, ` +
      'leave them out of the bundle (external) or out of the transformation',
  );
}

function isHolder(value: unknown): value is Record<string, unknown> {
  return (typeof value === 'object' || typeof value === 'function') && value !== null;
}
