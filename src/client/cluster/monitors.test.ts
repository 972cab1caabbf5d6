import { expect, test } from 'vitest';
import type { CommandContext } from '../context.js';
import type { Monitor } from '../monitor.js';
import { Monitors } from './monitors.js';

/** Monitors of servers that begin at once, unless their name says that they refuse. */
function watch(ids: string[]) {
  const known = { ids };
  const running = new Set<string>();
  let follow = () => {};
  const monitors = new Monitors({
    primaryIds: () => known.ids,
    monitorAt: (id) =>
      ({
        async start() {
          if (id.startsWith('refuses')) throw new Error(id);
          running.add(id);
        },
        stop: () => running.delete(id),
      }) as unknown as Monitor,
    onServers: (listener) => {
      follow = listener;
      return () => {
        follow = () => {};
      };
    },
    onStop() {},
  });
  const start = () => monitors.start({} as CommandContext, {});
  const show = (now: string[]) => {
    known.ids = now;
    follow();
  };
  return { monitors, start, show, running: () => [...running].sort() };
}

test('all primaries are watched, and others once they are primaries', async () => {
  const { monitors, start, show, running } = watch(['a', 'b']);
  await start();
  expect(running()).toEqual(['a', 'b']);
  show(['b', 'c']);
  await Promise.resolve();
  expect(running()).toEqual(['b', 'c']);
  monitors.stop();
  expect(running()).toEqual([]);
  show(['d']);
  expect(running()).toEqual([]);
});

test('where one of them refuses, none is watched', async () => {
  const { start, running } = watch(['a', 'refuses', 'c']);
  await expect(start()).rejects.toThrow('refuses');
  expect(running()).toEqual([]);
});
