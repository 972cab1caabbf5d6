// A private Redis or Valkey server: free port of 127.0.0.1, unix socket, temporary folder, no
// persistence. It ends with the process that started it, however that process ends (see
// `guarded-process.ts`), and can be killed, paused and restarted for fault tests.
//
//   running --pause()--> paused --resume()--> running
//      `--kill()--> dead --restart()--> running       stop() from anywhere: gone for good

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { FoundServer, ServerKind } from './find-server.js';
import { freePort } from './free-port.js';
import { GuardedProcess } from './guarded-process.js';
import { ensureServer } from './install-server.js';
import { answersPing } from './ping.js';

/** How often another port is tried when somebody took the one that was free a moment ago. */
const MAX_PORT_TRIES = 10;
const READY_POLL_MS = 10;

export interface PrivateServerOptions {
  /** Which program: one that `findServers` returned, or a kind. Default: the first found. */
  readonly server?: FoundServer | ServerKind;
  /**
   * Further arguments as on the server's command line, for example `['--maxclients', '10']`.
   * File names may be relative to the server's folder, see `files`.
   */
  readonly args?: readonly string[];
  /** One of `files` that is the server's configuration, before all arguments. */
  readonly configFile?: string;
  /** Files to write into the server's folder first, for example `{ 'users.acl': '...' }`. */
  readonly files?: Readonly<Record<string, string>>;
  /** Sets `requirepass`; `url` then carries it. */
  readonly password?: string;
  /** Opens a TLS port beside the plain one, from PEM files. */
  readonly tls?: {
    readonly caFile: string;
    readonly certFile: string;
    readonly keyFile: string;
    /** Whether clients have to show a certificate of the CA. Default: false. */
    readonly requireClientCertificate?: boolean;
  };
  /** How long the server may take until it answers PING, in milliseconds. Default: 10,000. */
  readonly startTimeoutMs?: number;
}

/** Where a server is reached. */
export interface ServerAddress {
  /** `redis://host:port`, with the password where one is set. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
}

export interface PrivateServer extends ServerAddress {
  readonly kind: ServerKind;
  readonly version: string;
  /** Its unix socket. */
  readonly path: string;
  /** Its temporary folder, with `server.log`. */
  readonly folder: string;
  /** Where `tls` was asked for. */
  readonly tlsPort: number | undefined;
  /** The process id; another one after `restart()`. */
  readonly pid: number;
  /** False after `kill()`, `stop()` or an end of its own; a paused server counts as running. */
  readonly running: boolean;
  /** Ends the server for good and removes its folder; a second call does nothing. */
  stop(): Promise<void>;
  /** SIGKILL; settles when the process is gone. The folder stays, for `restart()`. */
  kill(): Promise<void>;
  /** SIGSTOP: the sockets stay open and silent. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** Kills the server where it runs and starts it again: same port, same folder, no data. */
  restart(): Promise<void>;
  /** What the server logged so far. */
  log(): Promise<string>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a private server and waits until it answers PING.
 * @throws Error with the server's log where it doesn't start, or of one line where none is found.
 */
export async function startPrivateServer(
  options: PrivateServerOptions = {},
): Promise<PrivateServer> {
  const found = await chooseServer(options.server);
  for (let tries = 1; ; tries += 1) {
    const port = await freePort();
    const tlsPort = options.tls === undefined ? undefined : await freePort();
    const server = new GuardedServer(found, options, port, tlsPort);
    try {
      await server.launch();
      return server;
    } catch (error) {
      const log = await server.log();
      await server.stop();
      const portTaken = log.includes('Address already in use');
      if (!portTaken || tries >= MAX_PORT_TRIES) throw error;
    }
  }
}

async function chooseServer(wanted: PrivateServerOptions['server']): Promise<FoundServer> {
  if (typeof wanted === 'object') return wanted;
  const servers = await ensureServer();
  const chosen = wanted === undefined ? servers[0] : servers.find(({ kind }) => kind === wanted);
  if (chosen === undefined) throw new Error(`No ${wanted}-server on the PATH.`);
  return chosen;
}

class GuardedServer implements PrivateServer {
  readonly host = '127.0.0.1';
  readonly url: string;
  readonly kind: ServerKind;
  readonly version: string;
  readonly folder: string;
  readonly path: string;
  readonly #command: readonly string[];
  readonly #startTimeoutMs: number;
  #process: GuardedProcess | undefined;

  constructor(
    found: FoundServer,
    options: PrivateServerOptions,
    readonly port: number,
    readonly tlsPort: number | undefined,
  ) {
    this.kind = found.kind;
    this.version = found.version;
    const credentials =
      options.password === undefined ? '' : `:${encodeURIComponent(options.password)}@`;
    this.url = `redis://${credentials}${this.host}:${port}`;
    this.#startTimeoutMs = options.startTimeoutMs ?? 10_000;
    const configuration = options.configFile === undefined ? [] : [options.configFile];
    const serverArgs = serverArguments(found, options, port, tlsPort);
    this.#command = [found.program, ...configuration, ...serverArgs];
    // Synchronous up to the guard's start: a crash in between would leave the folder behind.
    this.folder = mkdtempSync(path.join(tmpdir(), 'plimsoll-redis-'));
    this.path = path.join(this.folder, 'server.sock');
    for (const [name, text] of Object.entries(options.files ?? {})) {
      writeFileSync(path.join(this.folder, name), text);
    }
  }

  get pid(): number {
    if (this.#process === undefined) throw new Error('This server has never run.');
    return this.#process.pid;
  }

  get running(): boolean {
    return this.#process?.running ?? false;
  }

  /** Starts the process and waits until it answers; leaves a failed one to `stop()`. */
  async launch(): Promise<void> {
    const started = await GuardedProcess.start(this.folder, this.#command);
    this.#process = started;
    const deadline = performance.now() + this.#startTimeoutMs;
    // Asked over the unix socket in its own folder, so no stranger on the port can answer.
    while (!(await answersPing(this.path))) {
      if (!started.running) throw await this.#startError('ended at once');
      if (performance.now() > deadline) throw await this.#startError('did not answer PING');
      await sleep(READY_POLL_MS);
    }
    started.unref();
  }

  async stop(): Promise<void> {
    await this.#process?.destroy();
    // The guard has done so already, except where it could not even be started.
    rmSync(this.folder, { recursive: true, force: true });
  }

  async kill(): Promise<void> {
    if (this.running) await this.#process!.kill();
  }

  pause(): void {
    this.#process!.signal('SIGSTOP');
  }

  resume(): void {
    this.#process!.signal('SIGCONT');
  }

  async restart(): Promise<void> {
    await this.kill();
    // The new guard owns the folder before the old one lets go of it.
    const previous = this.#process;
    try {
      await this.launch();
    } finally {
      await previous?.leave();
    }
  }

  async log(): Promise<string> {
    const logged = await readFile(path.join(this.folder, 'server.log'), 'utf8').catch(() => '');
    return `${logged}${this.#process?.output ?? ''}`.trim();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #startError(what: string): Promise<Error> {
    const log = await this.log();
    return new Error(`The private ${this.kind} server ${what}:\n${log}`);
  }
}

function serverArguments(
  found: FoundServer,
  { args = [], password, tls }: PrivateServerOptions,
  port: number,
  tlsPort: number | undefined,
): string[] {
  const plain = ['--port', String(port), '--bind', '127.0.0.1', '--unixsocket', 'server.sock'];
  const volatile = ['--save', '', '--appendonly', 'no', '--logfile', 'server.log'];
  // DEBUG SLEEP and its like are locked from version 7 on, and unknown before.
  const major = Number.parseInt(found.version, 10);
  const debug = major >= 7 ? ['--enable-debug-command', 'local'] : [];
  const locked = password === undefined ? [] : ['--requirepass', password];
  return [...plain, ...volatile, ...debug, ...locked, ...tlsArguments(tls, tlsPort), ...args];
}

function tlsArguments(tls: PrivateServerOptions['tls'], tlsPort: number | undefined): string[] {
  if (tls === undefined) return [];
  return [
    ...['--tls-port', String(tlsPort), '--tls-ca-cert-file', tls.caFile],
    ...['--tls-cert-file', tls.certFile, '--tls-key-file', tls.keyFile],
    ...['--tls-auth-clients', tls.requireClientCertificate === true ? 'yes' : 'no'],
  ];
}
