// The one file that imports from @redis/client: its command definitions, types and error classes
// are internals of an exactly pinned version, and `protocol.test.ts` says what broke when the
// version is raised. Everything else takes them from here.

import commandMetadata from '@redis/client/dist/lib/command-metadata/index.js';
import commander from '@redis/client/dist/lib/commander.js';
import commands from '@redis/client/dist/lib/commands/index.js';
import clientErrors from '@redis/client/dist/lib/errors.js';
import luaScript from '@redis/client/dist/lib/lua-script.js';
import respTypes from '@redis/client/dist/lib/RESP/decoder.js';
import verbatim from '@redis/client/dist/lib/RESP/verbatim-string.js';

export const { ErrorReply, SimpleError, BlobError, MultiErrorReply, WatchError } = clientErrors;
export const { AbortError, ClientClosedError, ClientOfflineError, ConnectionTimeoutError } =
  clientErrors;
export const { DisconnectsClientError, SocketClosedUnexpectedlyError, TimeoutError } = clientErrors;
export const { RESP_TYPES } = respTypes;
export const { VerbatimString } = verbatim;
export const { defineScript } = luaScript;
export const { attachConfig, functionArgumentsPrefix, getTransformReply, scriptArgumentsPrefix } =
  commander;

/** All of node-redis' commands, each under two names: `HGETALL` and `hGetAll`. */
export const COMMAND_DEFINITIONS = commands.default;
/** Redis' own command table: flags by name, and how a command is spread over several servers. */
export const { COMMAND_METADATA, defaultCommandMetadata, isReplicaSafe } = commandMetadata;

export type ErrorReply = InstanceType<typeof ErrorReply>;
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
