// What becomes of the elements of an array, set, map or push: the frame that the decoder keeps of
// each while it is being read, and the JavaScript value that grows in it.

import type { ReplyTypes } from '../base/command.js';
import { RESP_TYPES } from './protocol.js';

const { SET, MAP } = RESP_TYPES;

/** Arrays up to this length are allocated at once; longer ones grow as elements really come. */
const MAX_PREALLOCATED = 65_536;

export interface Frame {
  readonly type: number;
  readonly types: ReplyTypes;
  /** Elements to come; a map counts keys and values. */
  remaining: number;
  /** `undefined` where the reply is skipped, so that its elements are of no use. */
  container: unknown;
  filled: number;
  key: unknown;
}

export function newContainer(type: number, length: number, types: ReplyTypes): unknown {
  if (type === SET && types[SET] === Set) return new Set();
  if (type === MAP) {
    if (types[MAP] === Map) return new Map();
    if (types[MAP] !== Array) return {};
  }
  return length <= MAX_PREALLOCATED ? new Array(length) : [];
}

/** Adds the next element; those of a map come in turn as key and value. */
export function addToFrame(frame: Frame, value: unknown): void {
  const container = frame.container;
  if (Array.isArray(container)) {
    container[frame.filled++] = value;
  } else if (container === undefined) {
    return;
  } else if (container instanceof Set) {
    container.add(value);
  } else if (frame.remaining % 2 === 0) {
    frame.key = value;
  } else if (container instanceof Map) {
    container.set(frame.key, value);
  } else {
    // What is no text becomes text here, so that no key comes past the look at its name.
    setProperty(container as Record<string, unknown>, String(frame.key), value);
  }
}

function setProperty(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') {
    // A plain assignment would replace the prototype with what the server sent.
    Object.defineProperty(target, key, {
      value,
      enumerable: true,
      writable: true,
      configurable: true,
    });
  } else {
    target[key] = value;
  }
}
