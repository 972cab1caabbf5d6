import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeSecretFile } from './secret-file.js';

let folder = '';
let file = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'secret-file-'));
  file = path.join(folder, 'secret');
});
afterEach(() => rmSync(folder, { recursive: true }));

const modeOf = (name: string) => statSync(name).mode & 0o777;

test('a file that everybody could read is 0600 afterwards, and who had it open sees nothing', () => {
  writeFileSync(file, 'old', { mode: 0o666 });
  const { ino } = statSync(file);
  writeSecretFile(file, 'new');
  expect([readFileSync(file, 'utf8'), modeOf(file)]).toEqual(['new', 0o600]);
  expect(statSync(file).ino).not.toBe(ino);
});

test('a link that somebody laid in the way is replaced, and its target left alone', () => {
  const target = path.join(folder, 'target');
  writeFileSync(target, 'theirs');
  symlinkSync(target, file);
  writeSecretFile(file, 'secret');
  expect(readFileSync(target, 'utf8')).toBe('theirs');
  expect(modeOf(file)).toBe(0o600);
});

test('a wide umask makes the file no wider', () => {
  const before = process.umask(0);
  writeSecretFile(file, 'secret');
  process.umask(before);
  expect(modeOf(file)).toBe(0o600);
});

test('what fails leaves the old file and nothing else', () => {
  writeFileSync(file, 'old');
  expect(() => writeSecretFile(file, 'new', { isNew: true })).toThrow(/EEXIST/);
  expect(() => writeSecretFile(path.join(folder, 'no', 'such'), 'new')).toThrow(/ENOENT/);
  expect(readFileSync(file, 'utf8')).toBe('old');
  expect(readdirSync(folder)).toEqual(['secret']);
});
