import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allotClasses } from './generator/allotment.js';
import { loadUserClasses, locateUserClasses } from './load-user-class.js';
import { constant, constantPacing, constantThroughput, type UserClass } from './user-class.js';

const folder = mkdtempSync(path.join(os.tmpdir(), 'plimsoll-load-classes-'));
const file = (name: string) => path.join(folder, name);

beforeAll(() => {
  const task = (name: string, tags: string[]) =>
    `{ name: '${name}', tags: ${JSON.stringify(tags)}, async run() {} }`;
  writeFileSync(
    file('two.mjs'),
    `const One = { name: 'One', waitMs: () => 1, tasks: [${task('a', ['fast'])}, ${task('b', [])}] };
     const Two = { name: 'Two', waitMs: () => 1, tasks: [${task('c', ['slow'])}] };
     export { One }; export const all = [One, Two]; export const other = 3; export default Two;`,
  );
  writeFileSync(file('broken.mjs'), "export default { name: 'Broken', tasks: [] };");
  writeFileSync(file('none.mjs'), 'export const nothing = 1;');
});
afterAll(() => rmSync(folder, { recursive: true }));

async function load(
  locustfiles: string[],
  names: string[],
  tags: string[] = [],
  not: string[] = [],
) {
  const files = locustfiles.map(file);
  const choice = locateUserClasses({ locustfiles: files, names, tags, excludeTags: not });
  const classes = await loadUserClasses(choice);
  return classes.map(({ name, tasks }) => `${name}: ${tasks.map((task) => task.name).join()}`);
}

describe('user classes', () => {
  it('are all of a file, each once', async () => {
    expect((await load(['two.mjs'], [])).sort()).toEqual(['One: a,b', 'Two: c']);
  });

  it('are chosen by name, those that come along too', async () => {
    expect(await load(['two.mjs'], ['Two'])).toEqual(['Two: c']);
    const [one, other] = await load(['two.mjs'], ['One', 'AuthenticationLoadTest']);
    expect([one, other?.split(':')[0]]).toEqual(['One: a,b', 'AuthenticationLoadTest']);
  });

  it('have only the tasks that the tags leave', async () => {
    expect(await load(['two.mjs'], [], ['fast'])).toEqual(['One: a']);
    expect((await load(['two.mjs'], [], [], ['fast'])).sort()).toEqual(['One: b', 'Two: c']);
  });

  it.each([
    [['two.mjs'], ['Three'], [], 'UNKNOWN_USER_CLASS'],
    [['missing.mjs'], [], [], 'UNKNOWN_USER_CLASS'],
    [['broken.mjs'], [], [], 'INVALID_USER_CLASS'],
    [['none.mjs'], [], [], 'INVALID_USER_CLASS'],
    [['two.mjs'], [], ['no such tag'], 'INVALID_USER_CLASS'],
  ])('are refused where nothing can be run: %j %j %j', async (files, names, tags, code) => {
    await expect(load(files, names, tags)).rejects.toThrow(expect.objectContaining({ code }));
  });
});

it('users are allotted by weight in turns, fixed counts first', () => {
  const named = (name: string, share: Partial<UserClass>): UserClass => ({
    name,
    waitMs: constant(1),
    tasks: [],
    ...share,
  });
  const classes = [
    named('a', { weight: 3 }),
    named('b', { weight: 1 }),
    named('c', { fixedCount: 2 }),
  ];
  const allotted = allotClasses(classes, 10).map(({ name }) => name);
  expect(allotted.join('')).toBe('ccaabaaaba');
  expect(allotClasses([classes[2]!], 3)).toHaveLength(3);
});

it('a pace is kept by waiting for what the task left of it', () => {
  const random = () => 0.5;
  expect(constantPacing(100)(random, 30)).toBe(70);
  expect(constantPacing(100)(random, 130)).toBe(0);
  expect(constantThroughput(4)(random, 50)).toBe(200);
});
