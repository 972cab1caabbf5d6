// The one file that imports from @redis/client: its command definitions, types and error classes
// are internals of an exactly pinned version, and `protocol.test.ts` says what broke when the
// version is raised. Everything else takes them from here.

import * as credentials from '@redis/client/dist/lib/authx/index.js';
import * as commandMetadata from '@redis/client/dist/lib/command-metadata/index.js';
import * as commander from '@redis/client/dist/lib/commander.js';
import * as commands from '@redis/client/dist/lib/commands/index.js';
import * as clientErrors from '@redis/client/dist/lib/errors.js';
import * as luaScript from '@redis/client/dist/lib/lua-script.js';
import * as respTypes from '@redis/client/dist/lib/RESP/decoder.js';
import * as verbatim from '@redis/client/dist/lib/RESP/verbatim-string.js';
import { exportsOf } from './exports-of.js';

const errors = exportsOf<typeof clientErrors>(clientErrors, [
  ...(['ErrorReply', 'SimpleError', 'BlobError', 'MultiErrorReply', 'WatchError'] as const),
  ...(['AbortError', 'ClientClosedError', 'ClientOfflineError', 'TimeoutError'] as const),
  ...(['ConnectionTimeoutError', 'DisconnectsClientError'] as const),
  'SocketClosedUnexpectedlyError',
]);
export const { ErrorReply, SimpleError, BlobError, MultiErrorReply, WatchError } = errors;
export const { AbortError, ClientClosedError, ClientOfflineError, ConnectionTimeoutError } = errors;
export const { DisconnectsClientError, SocketClosedUnexpectedlyError, TimeoutError } = errors;
export const { CredentialsError, UnableToObtainNewCredentialsError } = exportsOf<
  typeof credentials
>(credentials, ['CredentialsError', 'UnableToObtainNewCredentialsError']);
export const { RESP_TYPES } = exportsOf<typeof respTypes>(respTypes, ['RESP_TYPES']);
export const { VerbatimString } = exportsOf<typeof verbatim>(verbatim, ['VerbatimString']);
export const { defineScript } = exportsOf<typeof luaScript>(luaScript, ['defineScript']);
export const { attachConfig, functionArgumentsPrefix, getTransformReply, scriptArgumentsPrefix } =
  exportsOf<typeof commander>(commander, [
    ...(['attachConfig', 'functionArgumentsPrefix'] as const),
    ...(['getTransformReply', 'scriptArgumentsPrefix'] as const),
  ]);

/** All of node-redis' commands, each under two names: `HGETALL` and `hGetAll`. */
export const COMMAND_DEFINITIONS = exportsOf<typeof commands.default.default>(commands, [
  ...(['HGETALL', 'hGetAll', 'ping'] as const),
]);
/** Redis' own command table: flags by name, and how a command is spread over several servers. */
export const { COMMAND_METADATA, defaultCommandMetadata, isReplicaSafe } = exportsOf<
  typeof commandMetadata
>(commandMetadata, ['COMMAND_METADATA', 'defaultCommandMetadata', 'isReplicaSafe']);

declare module '@redis/client/dist/lib/client/commands-queue.js' {
  /** What clients of a pool take besides; for node-redis' own it is without effect. */
  interface CommandOptions<T> {
    /** Whether a write whose outcome is unknown may run twice. Default: the pool's. */
    retryWrites?: 'safe' | 'always' | 'never' | undefined;
    /** Commands arrive in the order in which they are issued. Default: of duplicates alone. */
    ordered?: boolean | undefined;
  }
}

export type ErrorReply = InstanceType<typeof ErrorReply>;
export type MultiErrorReply = InstanceType<typeof MultiErrorReply>;
export type WatchError = InstanceType<typeof WatchError>;
export type { RedisClientType } from '@redis/client';
export type { CommandParser } from '@redis/client/dist/lib/client/parser.js';
export type {
  PubSubListener,
  PubSubType,
  PubSubTypeListeners,
} from '@redis/client/dist/lib/client/pub-sub.js';
export type { ScanCommonOptions, ScanOptions } from '@redis/client/dist/lib/commands/SCAN.js';
export type {
  Command as CommandDefinition,
  CommanderConfig,
  RedisArgument,
  RedisFunction,
  RedisFunctions,
  RedisModules,
  RedisScript,
  RedisScripts,
  RespVersions,
  TypeMapping,
} from '@redis/client/dist/lib/RESP/types.js';
