// The one file that imports from @redis/client: its command definitions, types and error classes
// are internals of an exactly pinned version, and `protocol.test.ts` says what broke when the
// version is raised. Everything else takes them from here.

import clientErrors from '@redis/client/dist/lib/errors.js';
import respTypes from '@redis/client/dist/lib/RESP/decoder.js';
import verbatim from '@redis/client/dist/lib/RESP/verbatim-string.js';

export const { ErrorReply, SimpleError, BlobError, MultiErrorReply, WatchError } = clientErrors;
export const { RESP_TYPES } = respTypes;
export const { VerbatimString } = verbatim;

export type ErrorReply = InstanceType<typeof ErrorReply>;
export type { CommandParser } from '@redis/client/dist/lib/client/parser.js';
export type { RedisArgument } from '@redis/client/dist/lib/RESP/types.js';
