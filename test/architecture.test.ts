// Keeps the house tidy: rooms import only from rooms above them, one file knows @redis/client,
// no file grows beyond what one can read at a sitting, and every error code is documented.
// Test files are exempt from the import rule, because they may set up whatever they need.

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

import { ERROR_CODES } from '../src/errors.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MAX_LINES = 500;

/** For each room, the rooms that it may import from beside itself; a room without a line fails. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  policy: ['base'],
  config: ['base', 'policy'],
  wire: ['base', 'policy', 'config'],
  node: ['base', 'policy', 'config'],
  topology: ['base', 'policy', 'config', 'wire', 'node'],
  pool: ['base', 'policy', 'config', 'node', 'topology'],
  client: ['base', 'policy', 'config', 'wire', 'node', 'topology', 'pool'],
  observe: ['base', 'policy', 'config', 'wire', 'node', 'topology', 'pool', 'client'],
  http: ['base', 'policy', 'config', 'wire', 'node', 'topology', 'pool', 'client', 'observe'],
};
/** Files of src itself: the errors are everybody's; the others put the rooms together. */
const COMMON_FILE = 'errors.ts';
const COMPOSING_FILES = ['index.ts', 'create-pool.ts'];
const PROTOCOL_FILE = 'wire/protocol.ts';
const REDIS_CLIENT = /^@redis\/client(\/|$)/;

/** All TypeScript files below a folder of the repository, as paths relative to that folder. */
function filesOf(folder: string): string[] {
  return readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
    .filter((file) => !file.split(path.sep).includes('node_modules'))
    .map((file) => file.split(path.sep).join('/'))
    .sort();
}

/** Every module that a text imports: static, type, dynamic, re-exported, and `import('x').Y`. */
function importsOf(text: string): string[] {
  const withoutComments = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const patterns = [
    /\bfrom\s*['"]([^'"]+)['"]/g,
    /\bimport\s*['"]([^'"]+)['"]/g,
    /\bimport\s*\(\s*['"]([^'"]+)['"]/g,
    /\brequire\s*\(\s*['"]([^'"]+)['"]/g,
  ];
  return patterns.flatMap((pattern) =>
    [...withoutComments.matchAll(pattern)].map((match) => match[1]!),
  );
}

/** What is wrong with one file's imports, a sentence each. */
function violationsOf(file: string, text: string): string[] {
  const problems: string[] = [];
  for (const imported of importsOf(text)) {
    if (REDIS_CLIENT.test(imported) && file !== PROTOCOL_FILE) {
      problems.push(`src/${file} imports ${imported}; only src/${PROTOCOL_FILE} may.`);
    }
    if (imported.startsWith('.')) problems.push(...roomViolations(file, imported));
  }
  return problems;
}

function roomViolations(file: string, imported: string): string[] {
  const target = path.posix.join(path.posix.dirname(file), imported).replace(/\.js$/, '.ts');
  if (COMPOSING_FILES.includes(file) || target === COMMON_FILE) return [];
  if (target.startsWith('../')) return [`src/${file} imports ${imported}, outside src.`];
  const [room, targetRoom] = [roomOf(file), roomOf(target)];
  if (room === targetRoom || MAY_IMPORT[room]?.includes(targetRoom)) return [];
  const allowed = MAY_IMPORT[room]?.join(', ') || 'no other room';
  return [`src/${file} imports ${imported}; room '${room}' may import from: ${allowed}.`];
}

/** The first folder of a path below src, or the file's own name where it lies in src itself. */
function roomOf(file: string): string {
  return file.split('/')[0]!;
}

const sources = filesOf('src').filter((file) => !file.endsWith('.test.ts'));
const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');

describe('the import rule', () => {
  test('knows every room of src', () => {
    const rooms = sources.filter((file) => file.includes('/')).map(roomOf);
    const unknown = [...new Set(rooms)].filter((room) => !(room in MAY_IMPORT));
    expect(unknown, 'rooms without a line in MAY_IMPORT').toEqual([]);
  });

  test('holds in every file of src', () => {
    const problems = sources.flatMap((file) => violationsOf(file, read(`src/${file}`)));
    expect(problems).toEqual([]);
  });

  test('finds what breaks it', () => {
    const broken = (file: string, text: string) => violationsOf(file, text).length;
    expect(broken('pool/a.ts', `import { b } from '../wire/b.js';`)).toBe(1);
    expect(broken('wire/a.ts', `import type { B } from '../pool/b.js';`)).toBe(1);
    expect(broken('base/a.ts', `export * from '../config/b.js';`)).toBe(1);
    expect(broken('pool/a.ts', `type B = import('../http/b.js').B;`)).toBe(1);
    expect(broken('pool/a.ts', `import {\n  b,\n} from '../index.js';`)).toBe(1);
    expect(broken('client/a.ts', `import type { B } from '@redis/client';`)).toBe(1);
    expect(broken('pool/a.ts', `import '../../scripts/b.js';`)).toBe(1);
    expect(broken('errors.ts', `import { b } from './base/b.js';`)).toBe(1);
    expect(broken('topology/a.ts', `import '../wire/b.js';\nimport '../node/b.js';`)).toBe(0);
    expect(broken('pool/a.ts', `import '../errors.js';\n// from '../http/b.js'`)).toBe(0);
    expect(broken('index.ts', `export * from './http/b.js';`)).toBe(0);
    expect(broken('wire/protocol.ts', `import c from '@redis/client/dist/lib/errors.js';`)).toBe(0);
  });
});

test(`no file has more than ${MAX_LINES} lines`, () => {
  const long = ['src', 'scripts', 'test', 'examples']
    .flatMap((folder) => filesOf(folder).map((file) => `${folder}/${file}`))
    .map((file) => ({ file, lines: read(file).trimEnd().split('\n').length }))
    .filter(({ lines }) => lines > MAX_LINES)
    .map(({ file, lines }) => `${file} has ${lines} lines; split it by what it owns.`);
  expect(long).toEqual([]);
});

test('docs/errors.md has a section for each error code, and none for others', () => {
  const headings = [...read('docs/errors.md').matchAll(/^## `([A-Z_]+)`$/gm)].map(
    (match) => match[1]!,
  );
  const missing = ERROR_CODES.filter((code) => !headings.includes(code));
  const unknown = headings.filter((code) => !ERROR_CODES.some((known) => known === code));
  expect(missing, 'codes of src/errors.ts without a section in docs/errors.md').toEqual([]);
  expect(unknown, 'sections of docs/errors.md whose code is not in src/errors.ts').toEqual([]);
});
