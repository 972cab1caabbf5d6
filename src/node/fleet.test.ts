import { describe, expect, test } from 'vitest';
import { CoreClient } from '../../test/support/core-client.js';
import { SimulatedConnection } from '../../test/support/simulated-connection.js';
import { Entry } from './entry.js';
import { Fleet } from './fleet.js';

const commands = new CoreClient({ execute: (command) => command.promise });

/** A fleet whose lanes have so many commands in flight. */
function fleetOf(
  loads: readonly number[],
  { laneDepth = 2, maxInFlight = 8 } = {},
): { fleet: Fleet; entries: Entry[] } {
  const fleet = new Fleet(laneDepth, maxInFlight);
  for (const [index, load] of loads.entries()) {
    const connection = new SimulatedConnection({ now: () => 1 });
    for (let sent = 0; sent < load; sent++) connection.send(commands.command('read', ['GET']));
    fleet.add(new Entry(index, connection, 0, 1, 0));
  }
  return { fleet, entries: fleet.entries };
}

const pick = (loads: readonly number[], limits?: { laneDepth?: number; maxInFlight?: number }) =>
  fleetOf(loads, limits).fleet.pickLane()?.id;

describe('the lane for a command', () => {
  test('is the first one as long as it is not crowded, however idle the others are', () => {
    expect(pick([0, 0, 0])).toBe(0);
    expect(pick([1, 0, 0])).toBe(0);
  });

  test('is the next one when those before it deserve help', () => {
    expect(pick([2, 0, 0])).toBe(1);
    // Two lanes have to carry twice the depth each before a third one is worth its writes.
    expect(pick([3, 3, 0])).toBe(0);
    expect(pick([4, 3, 0])).toBe(1);
    expect(pick([4, 4, 0])).toBe(2);
  });

  test('is the least loaded one when all are deserved', () => {
    expect(pick([6, 5, 7])).toBe(1);
  });

  test('is none when all are full', () => {
    expect(pick([8, 8, 8])).toBeUndefined();
    expect(pick([])).toBeUndefined();
  });

  test('is not one that is leased, draining, reserved or whose buffer is full', () => {
    const { fleet, entries } = fleetOf([0, 0, 0, 0, 0]);
    entries[0]!.state = 'leased';
    entries[1]!.state = 'draining';
    fleet.reserve(1, 9);
    expect(entries[4]!.isReserved).toBe(true);
    (entries[2]!.connection as SimulatedConnection).writable = false;
    expect(fleet.pickLane()).toBe(entries[3]);
    entries[3]!.state = 'leased';
    expect(fleet.pickLane()).toBeUndefined();
  });
});

describe('lanes kept for leases', () => {
  test('are the highest, and one lane is spared for commands', () => {
    const { fleet, entries } = fleetOf([1, 1, 1]);
    const reserved = () => entries.map(({ isReserved }) => isReserved);
    fleet.reserve(1, 9);
    expect(reserved()).toEqual([false, false, true]);
    fleet.reserve(1, 9);
    expect(reserved()).toEqual([false, false, true]);
    fleet.reserve(7, 9);
    expect(reserved()).toEqual([false, true, true]);
    expect(fleet.hasRoom(entries[0]!)).toBe(true);
    expect(fleet.hasRoom(entries[1]!)).toBe(false);
    expect(fleet.unreserveAll()).toBe(true);
    expect(reserved()).toEqual([false, false, false]);
    expect(fleet.unreserveAll()).toBe(false);
  });

  test('are never the last lane, unless there can be only one connection', () => {
    const { fleet, entries } = fleetOf([1]);
    fleet.reserve(1, 2);
    expect(entries[0]!.isReserved).toBe(false);
    fleet.reserve(1, 1);
    expect(entries[0]!.isReserved).toBe(true);
  });

  test('that leave the fleet are replaced by the next reservation', () => {
    const { fleet, entries } = fleetOf([1, 1, 1]);
    fleet.reserve(1, 9);
    fleet.remove(entries[2]!);
    fleet.reserve(1, 9);
    expect(entries.map(({ id, isReserved }) => [id, isReserved])).toEqual([
      [0, false],
      [1, true],
    ]);
  });
});

test('a lease takes the highest idle connection, so that commands keep the lowest', () => {
  const { fleet, entries } = fleetOf([0, 0, 1]);
  expect(fleet.findIdle(4)).toBe(entries[1]);
  entries[1]!.state = 'leased';
  expect(fleet.findIdle(4)).toBe(entries[0]);
  entries[0]!.state = 'draining';
  expect(fleet.findIdle(4)).toBeUndefined();
});

test('a lease does not take the last lane, unless there can be only one connection', () => {
  const { fleet, entries } = fleetOf([0, 0]);
  entries[1]!.state = 'leased';
  expect(fleet.findIdle(2)).toBeUndefined();
  expect(fleet.findIdle(1)).toBe(entries[0]);
});

describe('a lane that may be dead', () => {
  test('gets no commands while another one can take them, however loaded', () => {
    const { fleet, entries } = fleetOf([1, 7, 8]);
    entries[0]!.isSuspect = true;
    expect(fleet.pickLane()).toBe(entries[1]);
  });

  test('is used all the same where every lane is silent, the least loaded one', () => {
    const { fleet, entries } = fleetOf([3, 1, 2]);
    for (const entry of entries) entry.isSuspect = true;
    expect(fleet.pickLane()).toBe(entries[1]);
    entries[1]!.state = 'draining';
    expect(fleet.pickLane()).toBe(entries[2]);
  });
});

test('a further connection has to be deserved by all lanes that are there', () => {
  const { fleet, entries } = fleetOf([4, 3]);
  expect(fleet.isCrowded(entries[1]!)).toBe(false);
  expect(fleet.isCrowded(entries[0]!)).toBe(true);
});
