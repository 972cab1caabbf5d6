import { describe, expect, test } from 'vitest';
import { CoreClient } from '../../test/support/core-client.js';
import type { Command } from '../base/command.js';
import type { ConnectionLease } from './lease.js';
import { LeaseRequest } from './lease-request.js';
import { Waiters } from './waiters.js';

const client = new CoreClient({ execute: (command) => command.promise });

function newCommand(name: string, timeoutMs = 0, startedAt = 1): Command {
  const command = client.with({ timeout: timeoutMs }).command('read', [name]);
  command.startedAt = startedAt;
  command.promise.catch(() => undefined);
  return command;
}

function newRequest(queuedAt: number, timeoutMs: number): LeaseRequest {
  const request = new LeaseRequest(queuedAt, timeoutMs, {}, undefined);
  request.promise.catch(() => undefined);
  return request;
}

/** Expires at `now`; answers who was told after which wait. */
function expire(waiters: Waiters, now: number): string[] {
  const told: string[] = [];
  const count = waiters.expire(now, (what, waitedMs) => {
    told.push(`${what} ${waitedMs}`);
    return new Error(what);
  });
  expect(count).toBe(told.length);
  return told;
}

describe('those who wait', () => {
  test('wait since the oldest of them came who has no answer yet', () => {
    const waiters = new Waiters();
    expect(waiters.oldestSince).toBeUndefined();
    const cancelled = newCommand('A');
    waiters.addCommand(cancelled, 1);
    waiters.addCommand(newCommand('B'), 3);
    waiters.addLease(newRequest(2, 0));
    expect(waiters.oldestSince).toBe(1);
    cancelled.fail(new Error('cancelled'));
    expect(waiters.oldestSince).toBe(2);
    waiters.takeLease();
    expect(waiters.oldestSince).toBe(3);
  });

  test('are served in the order in which they came', () => {
    const waiters = new Waiters();
    for (const name of ['A', 'B', 'C']) waiters.addCommand(newCommand(name), 1);
    const leases = [newRequest(1, 0), newRequest(2, 0)];
    for (const request of leases) waiters.addLease(request);
    expect([waiters.length, waiters.commandCount, waiters.leaseCount]).toEqual([5, 3, 2]);
    expect(waiters.peekCommand()?.name).toBe('A');
    expect([1, 2, 3, 4].map(() => waiters.takeCommand()?.name)).toEqual(['A', 'B', 'C', undefined]);
    expect(waiters.peekLease()).toBe(leases[0]);
    expect([1, 2, 3].map(() => waiters.takeLease())).toEqual([...leases, undefined]);
  });

  test('are skipped when they were answered otherwise', () => {
    const waiters = new Waiters();
    const commands = ['A', 'B', 'C', 'D'].map((name) => newCommand(name));
    for (const command of commands) waiters.addCommand(command, 1);
    const requests = [newRequest(1, 0), newRequest(1, 0)];
    for (const request of requests) waiters.addLease(request);
    for (const index of [0, 2, 3]) commands[index]!.fail(new Error('cancelled'));
    requests[0]!.fail(new Error('cancelled'));
    expect(waiters.takeCommand()).toBe(commands[1]);
    expect(waiters.takeCommand()).toBeUndefined();
    expect(waiters.takeLease()).toBe(requests[1]);
    expect(waiters.length).toBe(0);
  });

  test('are forgotten by compact() wherever they stand', () => {
    const waiters = new Waiters();
    const commands = ['A', 'B', 'C'].map((name) => newCommand(name));
    for (const command of commands) waiters.addCommand(command, 1);
    waiters.addLease(newRequest(1, 0));
    commands[1]!.fail(new Error('cancelled'));
    waiters.compact();
    expect([waiters.commandCount, waiters.leaseCount]).toEqual([2, 1]);
    expect([waiters.takeCommand()?.name, waiters.takeCommand()?.name]).toEqual(['A', 'C']);
  });

  test('are told when their deadline passes, and not before', () => {
    const waiters = new Waiters();
    waiters.addCommand(newCommand('PATIENT', 0), 100);
    waiters.addCommand(newCommand('HASTY', 300, 50), 100);
    waiters.addLease(newRequest(100, 500));
    waiters.addLease(newRequest(100, 0));
    expect(expire(waiters, 349)).toEqual([]);
    expect(expire(waiters, 350)).toEqual(['HASTY 250']);
    expect(expire(waiters, 599)).toEqual([]);
    expect(expire(waiters, 600)).toEqual(['acquire() 500']);
    // One command and one lease wait for ever, as they asked to.
    expect(expire(waiters, 1e9)).toEqual([]);
    expect([waiters.commandCount, waiters.leaseCount]).toEqual([1, 1]);
  });

  test('are counted by their bytes, however they leave', () => {
    const waiters = new Waiters();
    const commands = ['TAKEN', 'SKIPPED', 'FORGOTTEN', 'EXPIRED', 'DRAINED'].map((name) =>
      newCommand(name, name === 'EXPIRED' ? 10 : 0),
    );
    const bytes = commands.map(({ payload }) => payload.length);
    const sum = (from: number) => bytes.slice(from).reduce((total, each) => total + each, 0);
    for (const command of commands) waiters.addCommand(command, 1);
    expect(waiters.queuedBytes).toBe(sum(0));
    waiters.takeCommand();
    expect(waiters.queuedBytes).toBe(sum(1));
    commands[1]!.fail(new Error('cancelled'));
    waiters.peekCommand();
    expect(waiters.queuedBytes).toBe(sum(2));
    commands[2]!.fail(new Error('cancelled'));
    waiters.compact();
    expect(waiters.queuedBytes).toBe(sum(3));
    expire(waiters, 100);
    expect(waiters.queuedBytes).toBe(sum(4));
    waiters.drain();
    expect(waiters.queuedBytes).toBe(0);
  });

  test('that were cancelled are not told a second time', () => {
    const waiters = new Waiters();
    const command = newCommand('A');
    waiters.addCommand(command, 1);
    command.fail(new Error('cancelled'));
    waiters.addLease(newRequest(1, 50));
    expect(expire(waiters, 100)).toEqual(['acquire() 99']);
    expect(waiters.length).toBe(0);
  });

  test('leave nothing behind when the queues are emptied', () => {
    const waiters = new Waiters();
    const command = newCommand('A');
    const request = newRequest(1, 10);
    waiters.addCommand(command, 1);
    waiters.addLease(request);
    expect(waiters.drain()).toEqual({ commands: [command], leases: [request] });
    expect(waiters.length).toBe(0);
    expect(expire(waiters, 1_000)).toEqual([]);
    // The next deadline counts again.
    waiters.addCommand(newCommand('B', 10, 1_000), 1_000);
    expect(expire(waiters, 1_010)).toEqual(['B 10']);
  });
});

describe('a request for a lease', () => {
  test('takes its listener off the signal however it ends', async () => {
    let listeners = 2;
    const requests = [newRequest(1, 0), newRequest(1, 0)];
    for (const request of requests) {
      request.unlisten = () => {
        listeners--;
      };
    }
    const lease = {} as ConnectionLease;
    requests[0]!.grant(lease);
    requests[1]!.fail(new Error('no'));
    requests[1]!.fail(new Error('a second time'));
    expect(listeners).toBe(0);
    expect(await requests[0]!.promise).toBe(lease);
    await expect(requests[1]!.promise).rejects.toThrow('no');
  });
});
