// Every error text that servers are known for, judged for every class of command: as the server's
// word, as what a script or module may have made up, and as the answer to what closes MULTI.

import { describe, expect, test } from 'vitest';
import {
  breakAfterRefusedExec,
  judgeErrorReply,
  judgeMadeUp,
  judgeServersWord,
} from './reply-verdict.js';
import { mayRetry } from './retry.js';

const LOADING = 'LOADING Redis is loading the dataset in memory';
const READONLY = "READONLY You can't write against a read only replica.";
const READONLY_BEFORE_5 = "READONLY You can't write against a read only slave.";
const NOAUTH = 'NOAUTH Authentication required.';

/** As the server's own word: what becomes of the command, and of the connection. */
const SERVER_STATES: readonly [string, 'here' | 'elsewhere', string | undefined][] = [
  [LOADING, 'here', undefined],
  ['LOADING Valkey is loading the dataset in memory', 'here', undefined],
  [
    'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
    'here',
    undefined,
  ],
  [
    'BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.',
    'here',
    undefined,
  ],
  [
    'BUSY Valkey is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
    'here',
    undefined,
  ],
  ['BUSY Redis is busy running a module command.', 'here', undefined],
  [
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    'here',
    undefined,
  ],
  ['CLUSTERDOWN The cluster is down', 'here', undefined],
  ['CLUSTERDOWN Hash slot not served', 'here', undefined],
  ['CLUSTERDOWN The cluster is down and only accepts read commands', 'here', undefined],
  ['TRYAGAIN Multiple keys request during rehashing of slot', 'here', undefined],
  [READONLY, 'elsewhere', 'demoted'],
  [READONLY_BEFORE_5, 'elsewhere', 'demoted'],
  [
    'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)',
    'elsewhere',
    'demoted',
  ],
  [NOAUTH, 'elsewhere', 'unauthenticated'],
  [
    'NOAUTH HELLO must be called with the client already authenticated',
    'elsewhere',
    'unauthenticated',
  ],
];

/** The answer to their command, whoever wrote them. */
const ANSWERS: readonly string[] = [
  'MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist to disk.',
  "OOM command not allowed when used memory > 'maxmemory'.",
  'NOREPLICAS Not enough good replicas to write.',
  'UNKILLABLE Sorry the script already executed write commands against the dataset.',
  'NOTBUSY No scripts in execution right now.',
  "NOPERM User guest has no permissions to run the 'get' command",
  'NOPERM No permissions to access a key',
  'NOSCRIPT No matching script. Please use EVAL.',
  'NOPROTO unsupported protocol version',
  'WRONGPASS invalid username-password pair or user is disabled.',
  'WRONGTYPE Operation against a key holding the wrong kind of value',
  "CROSSSLOT Keys in request don't hash to the same slot",
  'UNBLOCKED client unblocked via CLIENT UNBLOCK',
  'BUSYGROUP Consumer Group name already exists',
  'BUSYKEY Target key name already exists.',
  'EXECABORT Transaction discarded because of previous errors.',
  'IOERR error or timeout reading to target instance',
  'INPROG Failover already in progress.',
  'NOGROUP No such key',
  "ERR unknown command 'GETT', with args beginning with: ",
  'ERR LOADING is no word of the server here',
  'ERR',
  '',
  'loading in small letters',
  'READONLYX',
];

/** How servers put the text of a write that failed in a script. */
const WRITES_IN_SCRIPTS: readonly string[] = [
  READONLY,
  `${READONLY} script: 43d1a3b, on @user_script:1.`,
  `ERR Error running script (call to f_43d1a3b): @user_script:1: -${READONLY}`,
  `ERR Error running script (call to f_43d1a3b): @user_script:1: @user_script: 1: -${READONLY}`,
  `ERR Error running script (call to f_43d1a3b): @user_script: 6: -${READONLY_BEFORE_5}`,
  `ERR ${READONLY} script: mine, on @user_function:3.`,
];

const ALL_TEXTS = [...SERVER_STATES.map(([text]) => text), ...ANSWERS, ...WRITES_IN_SCRIPTS];
const SERVER = { name: 'SET' };
const SCRIPT = { name: 'EVAL', mayMakeUpErrors: true };
const CLASSES = ['read', 'write', 'unknown', 'once'] as const;
const SERVES_NOBODY = /^(LOADING|MASTERDOWN|CLUSTERDOWN) /;
const POLICIES = ['safe', 'always', 'never'] as const;

describe('of a command whose errors the server writes', () => {
  test.each(SERVER_STATES)('%s: not applied, again %s, retired as %s', (text, again, retire) => {
    expect(judgeErrorReply(text, SERVER)).toEqual({
      outcome: 'not-applied',
      again,
      ...(retire === undefined ? {} : { retire }),
      ...(SERVES_NOBODY.test(text) ? { isAway: true } : {}),
    });
  });

  test.each(ANSWERS)('%s: the answer, which changes nothing else', (text) => {
    expect(judgeErrorReply(text, SERVER)).toEqual({ outcome: 'unknown', again: 'no' });
  });
});

describe('of a command that may have made it up', () => {
  test.each(ALL_TEXTS)('%s: final, under every policy and for every class', (text) => {
    const verdict = judgeErrorReply(text, SCRIPT);
    expect([verdict.again, verdict.outcome]).toEqual(['no', 'unknown']);
    expect(verdict.breaks).toBeUndefined();
  });

  test.each(WRITES_IN_SCRIPTS)('%s: a demotion by the way', (text) => {
    expect(judgeErrorReply(text, SCRIPT).retire).toBe('demoted');
  });

  test('a lost identity is seen, in the words of the server alone', () => {
    expect(judgeErrorReply(NOAUTH, SCRIPT).retire).toBe('unauthenticated');
    expect(judgeErrorReply('NOAUTH x', SCRIPT).retire).toBeUndefined();
    expect(judgeErrorReply('READONLY x', SCRIPT).retire).toBeUndefined();
    expect(judgeErrorReply('TRYAGAIN x', SCRIPT).retire).toBeUndefined();
  });
});

describe('of what closes MULTI or forgets WATCH', () => {
  const NOBODY_LOOKED: [string, string][] = [
    ["ERR unknown command 'EXEC', with args beginning with: ", 'open for good'],
    ['ERR unknown command `EXEC`, with args beginning with: ', 'open for good'],
    ["NOPERM this user has no permissions to run the 'exec' command", 'open'],
  ];
  const CLOSED = [
    'EXECABORT Transaction discarded because of previous errors.',
    `EXECABORT Transaction discarded because of: ${READONLY}`,
    'ERR EXEC without MULTI',
    'ERR DISCARD without MULTI',
  ];

  test.each(['MOVED 1 a:1', 'TRYAGAIN Multiple keys', 'CLUSTERDOWN The cluster is down'])(
    '%s: a node of a cluster has closed it; who else says so may not have',
    (text) => {
      expect(breakAfterRefusedExec(text, true)).toBeUndefined();
      expect(breakAfterRefusedExec(text)).toBe('unknown');
    },
  );

  test.each(NOBODY_LOOKED)('%s: the transaction is %s', (text, breaks) => {
    expect(breakAfterRefusedExec(text)).toBe(breaks);
    // Sent by hand, or on the way back from a lease: perhaps there was no MULTI.
    expect(judgeErrorReply(text, { name: 'DISCARD' }).breaks).toBe('unknown');
    expect(judgeErrorReply(text, { name: 'UNWATCH' }).breaks).toBe('unknown');
    expect(judgeErrorReply(text, SERVER).breaks).toBeUndefined();
  });

  test.each(CLOSED)('%s: it is closed', (text) => {
    expect(judgeErrorReply(text, { name: 'EXEC' }).breaks).toBeUndefined();
  });

  test.each([LOADING, 'ERR upstream failure', 'MOVED 1 127.0.0.1:6381'])(
    '%s: nobody knows',
    (text) => {
      expect(judgeErrorReply(text, { name: 'UNWATCH' }).breaks).toBe('unknown');
    },
  );

  test('EXECABORT is judged by the reason that it names', () => {
    const judge = (reason: string) =>
      judgeServersWord(`EXECABORT Transaction discarded because of: ${reason}`);
    expect(judge(READONLY)).toEqual(judgeServersWord(READONLY));
    expect(judge(`-${LOADING}`)).toEqual(judgeServersWord(LOADING));
    expect(judge('NOPERM User guest has no permissions').again).toBe('no');
  });
});

test('a text of which a script may be the author never lets a write out twice', () => {
  for (const text of ALL_TEXTS) {
    const { outcome, again } = judgeErrorReply(text, SCRIPT);
    for (const retryClass of CLASSES) {
      for (const policy of POLICIES) {
        const goesOut = again !== 'no' && mayRetry(retryClass, outcome, policy);
        expect(goesOut, `${text} ${retryClass} ${policy}`).toBe(false);
      }
    }
  }
});

describe('a redirect', () => {
  test.each([
    ['MOVED 3999 127.0.0.1:6381', { kind: 'moved', slot: 3999, to: '127.0.0.1:6381' }],
    ['ASK 0 ::1:6381', { kind: 'ask', slot: 0, to: '::1:6381' }],
    ['MOVED 16383 :6381', { kind: 'moved', slot: 16383, to: ':6381' }],
    ['MOVED 1 ?:6381', { kind: 'moved', slot: 1, to: '?:6381' }],
  ])('%s: it did not run, and belongs there', (text, redirect) => {
    const elsewhere = { outcome: 'not-applied', again: 'elsewhere', redirect };
    expect(judgeErrorReply(text, SERVER)).toEqual(elsewhere);
  });

  test.each(['MOVED 16384 a:1', 'MOVED 1 a:70000', 'MOVED 1', 'ASK x a:1', 'MOVED 1 a:1 b:2'])(
    '%s is none',
    (text) => {
      expect(judgeErrorReply(text, SERVER).redirect).toBeUndefined();
    },
  );

  test("that a script may have made up is its caller's answer", () => {
    expect(judgeMadeUp('MOVED 1 a:1')).toMatchObject({ again: 'no', outcome: 'unknown' });
  });
});
