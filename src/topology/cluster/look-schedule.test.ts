import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Finding, LookSchedule } from './look-schedule.js';

const clock = { now: () => Date.now() };

describe('LookSchedule', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Looks take 10 ms; `startedAt` has when they began, ms after the schedule was made. */
  function schedule(outcome: () => Finding | Error = () => 'as before') {
    const begun = Date.now();
    const startedAt: number[] = [];
    const look = async () => {
      startedAt.push(Date.now() - begun);
      await new Promise((resolve) => setTimeout(resolve, 10));
      const what = outcome();
      if (what instanceof Error) throw what;
      return what;
    };
    const told: string[] = [];
    const onFailed = ({ message }: Error) => told.push(message);
    return { startedAt, told, made: new LookSchedule(look, onFailed, clock, () => 0.5) };
  }

  it('answers many facts with one look, and those that come meanwhile with one more', async () => {
    const { made, startedAt } = schedule();
    for (let count = 0; count < 100; count++) made.want();
    await vi.advanceTimersByTimeAsync(30);
    expect(startedAt).toEqual([25]);
    for (let count = 0; count < 100; count++) made.want();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(startedAt).toEqual([25, 160]);
  });

  it('pauses between looks however many facts come', async () => {
    const { made, startedAt } = schedule();
    for (let ms = 0; ms < 1_000; ms++) {
      made.want();
      await vi.advanceTimersByTimeAsync(1);
    }
    expect(startedAt.length).toBeGreaterThan(5);
    expect(startedAt.length).toBeLessThan(9);
  });

  it('lets those who ask at the same time share a look', async () => {
    const { made, startedAt } = schedule();
    const looks = [made.now(), made.now(), made.now()];
    await vi.advanceTimersByTimeAsync(10);
    await Promise.all(looks);
    expect(startedAt).toEqual([0]);
  });

  it('looks again with a growing pause until all is well, then once a minute', async () => {
    let finding: Finding = 'wrong';
    const { made, startedAt } = schedule(() => finding);
    void made.now();
    await vi.advanceTimersByTimeAsync(1_000);
    const gaps = startedAt.slice(1).map((at, index) => at - (startedAt[index] as number));
    expect(gaps.slice(0, 4)).toEqual([48, 85, 160, 198].map((ms) => expect.closeTo(ms, -0.5)));
    finding = 'as before';
    await vi.advanceTimersByTimeAsync(1_000);
    const before = startedAt.length;
    await vi.advanceTimersByTimeAsync(40_000);
    expect(startedAt).toHaveLength(before);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(startedAt).toHaveLength(before + 1);
  });

  it('looks once more a little later where something has changed', async () => {
    let finding: Finding = 'changed';
    const { made, startedAt } = schedule(() => finding);
    void made.now();
    await vi.advanceTimersByTimeAsync(10);
    finding = 'as before';
    await vi.advanceTimersByTimeAsync(30_000);
    expect(startedAt).toEqual([0, 760]);
  });

  it('pauses for up to a second where it lasts', async () => {
    const { made, startedAt } = schedule(() => 'wrong');
    void made.now();
    await vi.advanceTimersByTimeAsync(30_000);
    const before = startedAt.length;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(startedAt.length - before).toBeGreaterThan(8);
    expect(startedAt.length - before).toBeLessThan(15);
  });

  it('goes on after a look that failed, and tells who waited for it', async () => {
    let failure: Error | undefined = new Error('nobody answers');
    const { made, startedAt } = schedule(() => failure ?? 'as before');
    const refused = expect(made.now()).rejects.toThrow('nobody answers');
    await vi.advanceTimersByTimeAsync(10);
    await refused;
    failure = undefined;
    await vi.advanceTimersByTimeAsync(100);
    expect(startedAt).toHaveLength(2);
  });

  it('tells of the first look that failed though nobody waited for it, and of the next such time', async () => {
    let failure: Error | undefined = new Error('nobody answers');
    const { made, told } = schedule(() => failure ?? 'as before');
    made.inBackground();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(told).toEqual(['nobody answers']);
    failure = undefined;
    await vi.advanceTimersByTimeAsync(1_000);
    failure = new Error('nobody answers again');
    made.want();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(told).toEqual(['nobody answers', 'nobody answers again']);
  });

  it('does nothing any more once it was stopped', async () => {
    const { made, startedAt } = schedule(() => 'wrong');
    void made.now();
    made.stop();
    await vi.advanceTimersByTimeAsync(5_000);
    made.want();
    await made.now();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(startedAt).toEqual([0]);
    expect(vi.getTimerCount()).toBe(0);
  });
});
