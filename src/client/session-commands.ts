// Commands that node-redis builds by hand instead of from a definition, as definitions: so they go
// the same way as all others, key prefix included.

import type { CommandDefinition, CommandParser, RedisArgument } from '../wire/protocol.js';

const WATCH = {
  parseCommand(parser: CommandParser, keys: RedisArgument | RedisArgument[]) {
    parser.push('WATCH');
    parser.pushKeys(keys);
  },
  transformReply: (reply: unknown) => reply,
} satisfies CommandDefinition;

const UNWATCH = {
  parseCommand(parser: CommandParser) {
    parser.push('UNWATCH');
  },
  transformReply: (reply: unknown) => reply,
} satisfies CommandDefinition;

const SELECT = {
  parseCommand(parser: CommandParser, database: number) {
    parser.push('SELECT', database.toString());
  },
  transformReply: () => undefined,
} satisfies CommandDefinition;

export const SESSION_COMMANDS: Record<string, CommandDefinition> = {
  WATCH,
  watch: WATCH,
  UNWATCH,
  unwatch: UNWATCH,
  SELECT,
  select: SELECT,
};
