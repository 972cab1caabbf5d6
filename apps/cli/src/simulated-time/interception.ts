// Puts simulated time, chance and network in the place of Node's, for the whole process, so that the
// library runs as it is: it imports timers and sockets from Node, and gets these. Whoever puts them
// in takes them out again before anything else runs.

import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import timersPromises from 'node:timers/promises';
import type { Chance } from './chance.js';
import type { EventLoop, SimulatedImmediate, SimulatedTimer } from './event-loop.js';
import type { Network } from './network.js';

interface SleepOptions {
  readonly ref?: boolean;
}

/** @returns What puts Node's own back. */
export function intercept(loop: EventLoop, network: Network, chance: Chance): () => void {
  const undo = [
    replace(globalThis, timersOf(loop)),
    replace(Math, { random: chance.next }),
    replace(performance, { now: () => loop.now }),
    replace(net, {
      connect: (address: { host: string; port: number }) => network.connect(address),
    }),
    replace(timersPromises, {
      setTimeout: <T>(ms: number, value: T, options?: SleepOptions) =>
        new Promise<T>((resolve) => {
          const timer = loop.setTimeout(() => resolve(value), ms);
          if (options?.ref === false) timer.unref();
        }),
      setImmediate: () => new Promise<void>((resolve) => loop.setImmediate(resolve)),
    }),
  ];
  syncBuiltinESMExports();
  return () => {
    for (const putBack of undo) putBack();
    syncBuiltinESMExports();
  };
}

type Callback = (...args: unknown[]) => void;

function timersOf(loop: EventLoop) {
  const clear = (timer: SimulatedTimer | undefined) => timer?.end();
  return {
    setTimeout: (callback: Callback, ms?: number, ...args: unknown[]) =>
      loop.setTimeout(() => callback(...args), ms),
    setInterval: (callback: Callback, ms?: number, ...args: unknown[]) =>
      loop.setTimeout(() => callback(...args), ms, true),
    clearTimeout: clear,
    clearInterval: clear,
    setImmediate: (callback: Callback, ...args: unknown[]) =>
      loop.setImmediate(() => callback(...args)),
    clearImmediate: (immediate: SimulatedImmediate | undefined) => {
      if (immediate !== undefined) immediate.callback = undefined;
    },
  };
}

/** Replaces properties of a thing. @returns What puts the former ones back. */
function replace(thing: object, properties: object): () => void {
  const names = Object.keys(properties);
  const former = names.map((name) => [name, Object.getOwnPropertyDescriptor(thing, name)] as const);
  for (const [name, value] of Object.entries(properties)) {
    Object.defineProperty(thing, name, { value, configurable: true, writable: true });
  }
  return () => {
    for (const [name, descriptor] of former) {
      if (descriptor === undefined) Reflect.deleteProperty(thing, name);
      else Object.defineProperty(thing, name, descriptor);
    }
  };
}
