// A small server in memory that is polite as Redis 7 is, except where its personality says
// otherwise: what old servers, proxies and managed services do with the words of a handshake.

import type { Socket } from 'node:net';

import { type FakeServer, startFakeServer } from './fake-server.js';

/** The answer of a server that ends the connection instead of answering. */
export const HANGS_UP = Symbol('hangs up');

export interface Personality {
  readonly name: string;
  /**
   * What it says instead of what Redis 7 does, by the first pattern that matches a command's words
   * (`CLIENT SETNAME app`): an error without the `-`, or HANGS_UP.
   */
  readonly refuses?: readonly (readonly [RegExp, string | typeof HANGS_UP])[];
  /** The same, but said only to those who are logged in. */
  readonly denies?: readonly (readonly [RegExp, string])[];
  /** What it says before AUTH or HELLO with AUTH, where it wants a password. */
  readonly noAuth?: string;
  /** It says that to all but AUTH, whatever else it might have to say. */
  readonly wantsAuthFirst?: boolean;
  readonly wrongPassword?: string;
  /** It has no MULTI. */
  readonly transactions?: false;
  /** Older than Redis 6: it knows one password, no users. */
  readonly knowsUsers?: boolean;
  /** It says this to HELLO 3 instead of a map in RESP3. */
  readonly hello?: string;
}

export interface PersonalityServer extends FakeServer {
  /** All commands so far, a line each, without their values. */
  readonly commands: readonly string[];
  /** How often a password was wrong. */
  readonly failedLogins: number;
}

const HELLO_FACTS = '$2\r\nid\r\n:7\r\n$5\r\nproto\r\n:3\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n';

/** @param password It is wanted where given. */
export async function startPersonality(
  personality: Personality,
  password?: string,
): Promise<PersonalityServer> {
  const shared = new Shared(personality, password);
  const server = await startFakeServer((socket) => new Session(shared, socket));
  return Object.defineProperties(server, {
    commands: { get: () => shared.commands },
    failedLogins: { get: () => shared.failedLogins },
  }) as PersonalityServer;
}

class Shared {
  readonly data = new Map<string, string>();
  readonly commands: string[] = [];
  failedLogins = 0;

  constructor(
    readonly personality: Personality,
    readonly password: string | undefined,
  ) {}
}

/** One connection. */
class Session {
  readonly #shared: Shared;
  readonly #socket: Socket;
  #unread = '';
  #isLoggedIn: boolean;
  #queued: string[][] | undefined;

  constructor(shared: Shared, socket: Socket) {
    this.#shared = shared;
    this.#socket = socket;
    this.#isLoggedIn = shared.password === undefined;
    socket.on('data', (bytes: Buffer) => {
      this.#unread += bytes.toString('latin1');
      for (let args = this.#next(); args !== undefined; args = this.#next()) {
        if (socket.destroyed) return;
        this.#take(args);
      }
    });
  }

  /** The next whole command; `undefined` where there is none yet. */
  #next(): string[] | undefined {
    const header = /^\*(\d+)\r\n/.exec(this.#unread);
    if (header === null) return undefined;
    let cursor = header[0].length;
    const args: string[] = [];
    while (args.length < Number(header[1])) {
      const length = /^\$(\d+)\r\n/.exec(this.#unread.slice(cursor));
      if (length === null) return undefined;
      const start = cursor + length[0].length;
      const stop = start + Number(length[1]);
      if (this.#unread.length < stop + 2) return undefined;
      args.push(this.#unread.slice(start, stop));
      cursor = stop + 2;
    }
    this.#unread = this.#unread.slice(cursor);
    return args;
  }

  #take(args: string[]): void {
    const words = args.join(' ');
    this.#shared.commands.push(words);
    const { wantsAuthFirst, refuses = [], denies = [] } = this.#shared.personality;
    if (wantsAuthFirst && !this.#isLoggedIn && args[0] !== 'AUTH') {
      this.#socket.write(this.#noAuth());
      return;
    }
    const rules = this.#isLoggedIn ? [...refuses, ...denies] : refuses;
    const refusal = rules.find(([pattern]) => pattern.test(words))?.[1];
    if (refusal === HANGS_UP) {
      // With words unread, as proxies do: the client sees a reset.
      this.#socket.destroy();
      return;
    }
    this.#socket.write(refusal === undefined ? this.#answer(args) : `-${refusal}\r\n`);
  }

  #answer(args: string[]): string {
    const name = (args[0] as string).toUpperCase();
    if (name === 'HELLO') return this.#hello(args);
    if (name === 'AUTH') return this.#login(args.slice(1)) ?? '+OK\r\n';
    if (!this.#isLoggedIn) return this.#noAuth();
    if (this.#queued !== undefined && name !== 'EXEC') {
      this.#queued.push(args);
      return '+QUEUED\r\n';
    }
    if (name === 'EXEC') {
      const queued = this.#queued ?? [];
      this.#queued = undefined;
      return `*${queued.length}\r\n${queued.map((each) => this.#execute(each)).join('')}`;
    }
    if (name !== 'MULTI') return this.#execute(args);
    this.#queued = [];
    return '+OK\r\n';
  }

  #execute([command, key = '', value = '']: string[]): string {
    const { data } = this.#shared;
    switch (command?.toUpperCase()) {
      case 'PING':
        return '+PONG\r\n';
      case 'SELECT':
      case 'CLIENT':
        return '+OK\r\n';
      case 'GET': {
        const found = data.get(key);
        return found === undefined ? '$-1\r\n' : `$${found.length}\r\n${found}\r\n`;
      }
      case 'SET':
        data.set(key, value);
        return '+OK\r\n';
      default:
        return `-ERR unknown command '${command}', with args beginning with: '${key}'\r\n`;
    }
  }

  #hello(args: string[]): string {
    const { hello = `%3\r\n${HELLO_FACTS}` } = this.#shared.personality;
    const at = args.indexOf('AUTH');
    const refusal = at === -1 ? undefined : this.#login(args.slice(at + 1, at + 3));
    if (refusal !== undefined) return refusal;
    return this.#isLoggedIn ? hello : this.#noAuth();
  }

  /** The refusal; `undefined`: we know him. */
  #login(credentials: string[]): string | undefined {
    const shared = this.#shared;
    const { personality, password } = shared;
    if (personality.knowsUsers === false && credentials.length !== 1) {
      return "-ERR wrong number of arguments for 'auth' command\r\n";
    }
    if (password === undefined) return '-ERR Client sent AUTH, but no password is set\r\n';
    this.#isLoggedIn = credentials.at(-1) === password;
    if (this.#isLoggedIn) return undefined;
    shared.failedLogins++;
    return `-${personality.wrongPassword ?? 'WRONGPASS invalid username-password pair or user is disabled.'}\r\n`;
  }

  #noAuth(): string {
    return `-${this.#shared.personality.noAuth ?? 'NOAUTH Authentication required.'}\r\n`;
  }
}
