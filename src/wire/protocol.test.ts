// The contract with @redis/client's internals: what fails here after its version was raised is
// what has to be looked at before anything else.

import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { CommandEncoder } from './encoder.js';
import {
  attachConfig,
  COMMAND_DEFINITIONS,
  type CommandDefinition,
  defaultCommandMetadata,
  defineScript,
  ErrorReply,
  functionArgumentsPrefix,
  getTransformReply,
  MultiErrorReply,
  RESP_TYPES,
  WatchError,
} from './protocol.js';

const require = createRequire(import.meta.url);
const definitions = Object.entries<CommandDefinition>(COMMAND_DEFINITIONS);

/** Commands that may hold their reply back, as `blockTimeMs` in policy/command-class.ts reads them. */
const BLOCKING =
  'blmove blmovem blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin wait waitaof xread xreadgroup';

test('the version is pinned to the one that is installed', () => {
  const pinned = require('../../package.json').dependencies['@redis/client'];
  expect(pinned).toBe(require('@redis/client/package.json').version);
});

test('definitions parse into an encoder and transform replies by protocol', () => {
  expect(definitions.length).toBeGreaterThanOrEqual(800);
  for (const [name, definition] of definitions) {
    expect(definition.parseCommand, name).toBeTypeOf('function');
    for (const resp of [2, 3] as const) {
      expect(['function', 'undefined'], name).toContain(typeof getTransformReply(definition, resp));
    }
  }
});

test('definitions ask nothing of a parser that the encoder lacks', () => {
  const encoder = new CommandEncoder();
  const asked = new Set<string>();
  for (const [, { parseCommand }] of definitions) {
    for (const [, member] of String(parseCommand).matchAll(/\bparser\.(\w+)/g)) asked.add(member!);
  }
  expect([...asked].filter((member) => !(member in encoder))).toEqual([]);
  expect(asked.size).toBeGreaterThan(5);
});

test('the command table has flags by name and subcommand', () => {
  const flags = (command: string, subcommand?: string) =>
    defaultCommandMetadata.lookup({ command, subcommand })?.flags;
  expect(flags('GET')).toContain('readonly');
  expect(flags('set')).toContain('write');
  expect(flags('CLIENT', 'KILL')).toContain('admin');
  expect(flags('JSON.GET')).toContain('readonly');
  expect(flags('NO-SUCH-COMMAND')).toBeUndefined();
});

test('the commands that block are those whose time-out is known', () => {
  const names = new Set(definitions.map(([name]) => name.toLowerCase()));
  const blocking = [...names].filter((command) =>
    defaultCommandMetadata.lookup({ command, subcommand: undefined })?.flags?.includes('blocking'),
  );
  for (const command of blocking) expect(BLOCKING.split(' ')).toContain(command);
  expect(blocking).toContain('blpop');
});

test('attachConfig binds namespaces to the object they were reached through', () => {
  const module = { own: { run: { parseCommand: () => undefined } } };
  const Class = attachConfig({
    BaseClass: class {} as never,
    commands: {},
    createCommand: () => () => undefined,
    createModuleCommand: () =>
      function (this: { _self: unknown }) {
        return this._self;
      },
    createFunctionCommand: () => () => undefined,
    createScriptCommand: () => () => undefined,
    config: { modules: module as never },
  }) as new () => { own: { run(): unknown } };
  const [first, second] = [new Class(), new Class()];
  expect(first.own.run()).toBe(first);
  expect(second.own.run()).toBe(second);
});

test('scripts and functions are called by digest and name', () => {
  const script = defineScript({ SCRIPT: 'return 1', parseCommand: () => undefined } as never);
  expect(script).toMatchObject({ SHA1: 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db' });
  const called = { NUMBER_OF_KEYS: 2, IS_READ_ONLY: true } as never;
  expect(functionArgumentsPrefix('name', called)).toEqual(['FCALL_RO', 'name', '2']);
});

test('errors and types are the classes that callers compare with', () => {
  expect(new MultiErrorReply([], [])).toBeInstanceOf(ErrorReply);
  expect(new WatchError()).toBeInstanceOf(Error);
  expect(RESP_TYPES).toMatchObject({ BLOB_STRING: 36, SIMPLE_STRING: 43, MAP: 37, NUMBER: 58 });
});
