// Where a command belongs by its keys: in one slot, in several, or in none.

import type { Payload } from '../../base/command.js';
import { keySlot } from '../../base/key-slot.js';
import { PoolError } from '../../errors.js';
import { keyIndexes } from '../../policy/key-position.js';
import { CommandEncoder } from '../../wire/encoder.js';
import type { RedisArgument } from '../../wire/protocol.js';
import type { RoutedClass } from '../catalog.js';

/** `undefined`: it has no keys. */
export type Slots = number | 'several' | undefined;

/** Definitions say which words are keys; of what came as words, the table knows. */
export function slotsOf(encoder: CommandEncoder, commandClass: RoutedClass): Slots {
  if (encoder.slots !== undefined || !commandClass.routing.isKeyed) return encoder.slots;
  return slotsOfKeys(keysAmong(encoder.redisArgs, commandClass.name));
}

/** All keys of a command. */
export function keysOf(
  encoder: CommandEncoder,
  commandClass: RoutedClass,
): readonly RedisArgument[] {
  if (encoder.slots !== undefined) return encoder.keys;
  if (!commandClass.routing.isKeyed) return [];
  return keysAmong(encoder.redisArgs, commandClass.name);
}

/** EXISTS of its keys, in RESP; `undefined`: it has none. */
export function probeOf(encoder: CommandEncoder, commandClass: RoutedClass): Payload | undefined {
  const keys = keysOf(encoder, commandClass);
  if (keys.length === 0) return undefined;
  const probe = new CommandEncoder();
  probe.push('EXISTS');
  probe.pushVariadic(keys);
  return probe.payload();
}

export function crossSlot(name: string): PoolError {
  const text = `${name}: its keys lie in several hash slots, which may be several servers'`;
  return new PoolError('CROSS_SLOT', text, { sent: false });
}

function keysAmong(words: readonly RedisArgument[], name: string): RedisArgument[] {
  const indexes = keyIndexes(name, words as readonly (string | Buffer)[]);
  return indexes.map((index) => words[index] as RedisArgument);
}

function slotsOfKeys(keys: readonly RedisArgument[]): Slots {
  const [first, ...others] = keys;
  if (first === undefined) return undefined;
  const slot = keySlot(first);
  return others.every((key) => keySlot(key) === slot) ? slot : 'several';
}
