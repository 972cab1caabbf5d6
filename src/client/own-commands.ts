// Definitions of our own. Commands that node-redis builds by hand instead of from a definition, so
// that they go the same way as all others, key prefix included; and those of scripts, as node-redis
// spreads their arguments, which overflows the stack at some 100,000.

import {
  COMMAND_DEFINITIONS,
  type CommandDefinition,
  type CommandParser,
  type RedisArgument,
} from '../wire/protocol.js';

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

interface ScriptOptions {
  readonly keys?: readonly RedisArgument[];
  readonly arguments?: readonly RedisArgument[];
}

/** @param name In capitals, as it is sent. */
function scriptCommand(name: keyof typeof COMMAND_DEFINITIONS): CommandDefinition {
  return {
    ...COMMAND_DEFINITIONS[name],
    parseCommand(parser: CommandParser, script: RedisArgument, options?: ScriptOptions) {
      parser.push(name, script);
      parser.pushKeysLength((options?.keys ?? []) as RedisArgument[]);
      parser.pushVariadic((options?.arguments ?? []) as RedisArgument[]);
    },
  } as CommandDefinition;
}

const [EVAL, EVAL_RO] = [scriptCommand('EVAL'), scriptCommand('EVAL_RO')];
const [EVALSHA, EVALSHA_RO] = [scriptCommand('EVALSHA'), scriptCommand('EVALSHA_RO')];
const [FCALL, FCALL_RO] = [scriptCommand('FCALL'), scriptCommand('FCALL_RO')];

export const OWN_COMMANDS: Record<string, CommandDefinition> = {
  WATCH,
  watch: WATCH,
  UNWATCH,
  unwatch: UNWATCH,
  SELECT,
  select: SELECT,
  EVAL,
  eval: EVAL,
  EVAL_RO,
  evalRo: EVAL_RO,
  EVALSHA,
  evalSha: EVALSHA,
  EVALSHA_RO,
  evalShaRo: EVALSHA_RO,
  FCALL,
  fCall: FCALL,
  FCALL_RO,
  fCallRo: FCALL_RO,
};
