// A server of few commands that refuses any of them, anywhere, in the words of real servers, and
// keeps book of what it executed, so that a test can compare it with what its callers were told.
//
//   GET key -> the key itself     SET id, MARK id -> count id, answer it     ECHO text
//   MULTI, EXEC, DISCARD, WATCH, UNWATCH, SELECT as they are

import type { FakeServer } from './fake-server.js';
import { afterHandshake, type Script, startScriptedServer } from './scripted-server.js';
import type { SeededRandom } from './seeded-random.js';

/** What says that a command did not run, and more that only its caller is concerned with. */
const REFUSALS: readonly string[] = [
  'LOADING Redis is loading the dataset in memory',
  'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
  "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
  'CLUSTERDOWN The cluster is down',
  'TRYAGAIN Multiple keys request during rehashing of slot',
  "READONLY You can't write against a read only replica.",
  'NOAUTH Authentication required.',
  "OOM command not allowed when used memory > 'maxmemory'.",
  'ERR something else',
];
/** Nobody looked at the command. A server that doesn't know EXEC never does, see `knowsExec`. */
const NOT_PERMITTED = 'NOPERM this user has no permissions to run this command';
const NOT_KNOWN = "ERR unknown command 'EXEC', with args beginning with: ";

interface Session {
  queue: string[][] | undefined;
  isDirty: boolean;
}

export class RefusingServer {
  /** How often each id was set or marked. */
  readonly marks = new Map<string, number>();
  refusals = 0;
  knowsExec = true;
  /** Of how many commands one is refused, on average. */
  oneIn = 100;
  readonly #random: SeededRandom;
  readonly #sessions = new Map<number, Session>();

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  start(): Promise<FakeServer> {
    return startScriptedServer(afterHandshake(this.#answer));
  }

  readonly #answer: Script = (words, connection) => {
    let session = this.#sessions.get(connection);
    if (session === undefined) {
      session = { queue: undefined, isDirty: false };
      this.#sessions.set(connection, session);
    }
    if (words[0] === 'EXEC' && !this.knowsExec) return error(NOT_KNOWN);
    if (this.#random.integer(1, this.oneIn) === 1) return this.#refuse(words, session);
    return this.#serve(words, session);
  };

  /** Queued commands are refused too, which spoils their transaction; EXEC, with MULTI left open or not. */
  #refuse([name]: string[], session: Session): string {
    this.refusals++;
    const text = this.#random.pick([...REFUSALS, NOT_PERMITTED]);
    if (name === 'EXEC' && session.queue !== undefined) {
      const way = text === NOT_PERMITTED ? 1 : this.#random.integer(0, 2);
      if (way === 0) session.queue = undefined;
      if (way < 2) return error(text);
      session.queue = undefined;
      return error(`EXECABORT Transaction discarded because of: ${text}`);
    }
    if (session.queue !== undefined) session.isDirty = true;
    return error(text);
  }

  #serve(words: string[], session: Session): string {
    const { queue } = session;
    switch (words[0]) {
      case 'MULTI':
        if (queue !== undefined) return error('ERR MULTI calls can not be nested');
        session.queue = [];
        session.isDirty = false;
        return OK;
      case 'DISCARD':
        if (queue === undefined) return error('ERR DISCARD without MULTI');
        session.queue = undefined;
        return OK;
      case 'EXEC':
        if (queue === undefined) return error('ERR EXEC without MULTI');
        session.queue = undefined;
        if (session.isDirty) {
          return error('EXECABORT Transaction discarded because of previous errors.');
        }
        return `*${queue.length}\r\n${queue.map((queued) => this.#execute(queued)).join('')}`;
      default:
        if (queue === undefined) return this.#execute(words);
        queue.push(words);
        return '+QUEUED\r\n';
    }
  }

  #execute([name = '', word = '']: string[]): string {
    if (name === 'WATCH' || name === 'UNWATCH' || name === 'SELECT') return OK;
    if (name === 'SET' || name === 'MARK') this.marks.set(word, (this.marks.get(word) ?? 0) + 1);
    return `$${word.length}\r\n${word}\r\n`;
  }
}

const OK = '+OK\r\n';

function error(text: string): string {
  return `-${text}\r\n`;
}
