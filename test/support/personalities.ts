// What servers other than a plain Redis 7 say to the words of a handshake, as they do in public
// reports and in their sources. `personalities.test.ts` runs one set of tests against all of them.

import { HANGS_UP, type Personality } from './personality-server.js';

const unknown = (name: string) =>
  `ERR unknown command \`${name}\`, with args beginning with: \`3\`, \`AUTH\`, `;

export const PERSONALITIES: readonly Personality[] = [
  { name: 'Redis 7' },
  {
    name: 'Redis 5',
    knowsUsers: false,
    wrongPassword: 'ERR invalid password',
    refuses: [
      [/^HELLO/, unknown('HELLO')],
      [/^CLIENT SETINFO/, "ERR Unknown subcommand or wrong number of arguments for 'SETINFO'"],
    ],
  },
  {
    name: 'Redis 2.8',
    knowsUsers: false,
    wrongPassword: 'ERR invalid password',
    refuses: [
      [/^HELLO/, "ERR unknown command 'HELLO'"],
      [/^CLIENT SET/, 'ERR Syntax error, try CLIENT (LIST | KILL ip:port | GETNAME | SETNAME)'],
    ],
  },
  {
    name: 'Redis 2.6',
    knowsUsers: false,
    noAuth: 'ERR operation not permitted',
    wrongPassword: 'ERR invalid password',
    refuses: [[/^(HELLO|CLIENT)/, 'ERR unknown command']],
  },
  {
    name: 'Garnet, which says NOAUTH of what a user may not run',
    denies: [[/^CLIENT/, 'NOAUTH Authentication required.']],
  },
  {
    name: 'KeyDB 6.3',
    refuses: [
      [
        /^CLIENT SETINFO/,
        "ERR Unknown subcommand or wrong number of arguments for 'SETINFO'. Try CLIENT HELP.",
      ],
    ],
  },
  {
    name: 'Dragonfly 1.14',
    refuses: [
      [
        /^CLIENT SETINFO/,
        "ERR Unknown subcommand or wrong number of arguments for 'SETINFO'. Try CLIENT HELP.",
      ],
    ],
  },
  {
    name: 'twemproxy',
    transactions: false,
    knowsUsers: false,
    wrongPassword: 'ERR invalid password',
    refuses: [[/^(HELLO|CLIENT|SELECT|MULTI|EXEC|WATCH)/, HANGS_UP]],
  },
  {
    name: 'a proxy that hangs up on CLIENT alone',
    refuses: [[/^CLIENT/, HANGS_UP]],
  },
  {
    name: 'a proxy that refuses HELLO and hangs up on CLIENT',
    refuses: [
      [/^HELLO/, 'ERR unknown command'],
      [/^CLIENT/, HANGS_UP],
    ],
  },
  {
    name: 'Envoy',
    wantsAuthFirst: true,
    transactions: false,
    refuses: [
      [/^HELLO/, "unsupported command 'HELLO'"],
      [/^(CLIENT|SELECT)/, 'invalid request'],
    ],
  },
  {
    name: 'Envoy 1.37, which takes HELLO 2 only',
    refuses: [
      [/^HELLO/, 'NOPROTO unsupported protocol version'],
      [/^(CLIENT|SELECT)/, "ERR unknown command 'client', with args beginning with: SETNAME"],
    ],
  },
  {
    name: 'redis-cluster-proxy',
    knowsUsers: false,
    refuses: [[/^(HELLO|CLIENT|SELECT)/, 'ERR unsupported command `hello`']],
  },
  {
    name: 'a managed service without CLIENT and SELECT',
    refuses: [
      [/^CLIENT/, 'ERR CLIENT is disabled in this service'],
      [/^SELECT/, 'ERR SELECT is not allowed'],
    ],
  },
  {
    name: 'a service that takes HELLO but no option of it but AUTH',
    refuses: [[/^HELLO .*SETNAME/, "ERR Syntax error in HELLO option 'SETNAME'"]],
  },
  {
    name: 'a service that answers HELLO 3 in RESP2',
    hello: `*4\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:7\r\n`,
  },
  { name: 'a service that answers HELLO with OK', hello: '+OK\r\n' },
  {
    name: 'an ACL user with nothing beyond his data',
    denies: [
      [/^HELLO/, "NOPERM this user has no permissions to run the 'hello' command"],
      [/^CLIENT/, "NOPERM this user has no permissions to run the 'client|setname' command"],
      [/^PING/, "NOPERM this user has no permissions to run the 'ping' command"],
      [/^SELECT/, "NOPERM this user has no permissions to run the 'select' command"],
    ],
  },
  ...[
    'ERR unknown',
    'DENIED by policy',
    'ERR Protocol version is not an integer or out of range',
    'ERR command not allowed',
    'ERR wrong number of arguments for command',
    'UNSUPPORTED HELLO',
    'ERR syntax error',
  ].map((words) => ({
    name: `one that says "${words}" to HELLO`,
    refuses: [[/^HELLO/, words]] as const,
  })),
  ...[
    'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
    'MISCONF Errors writing to the AOF file: No space left on device',
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "ERR unknown command 'PING'",
  ].map((words) => ({
    name: `one that says "${words}" to PING`,
    denies: [[/^PING/, words]] as const,
  })),
];
