// Which Redis and Valkey servers this machine has: the first program of each kind on the PATH,
// asked for its version. Reads only; `install-server.ts` is what changes the machine.

import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** How long a program may take to print its version. */
const VERSION_TIMEOUT_MS = 5_000;

export type ServerKind = 'redis' | 'valkey';

/** A server program on this machine. */
export interface FoundServer {
  readonly kind: ServerKind;
  /** Absolute path of the program. */
  readonly program: string;
  /** Dotted version as the program prints it, for example `7.0.15`. */
  readonly version: string;
}

/** The absolute path of `name` on the PATH, or undefined. */
export async function findProgram(
  name: string,
  searchPath: string = process.env.PATH ?? '',
): Promise<string | undefined> {
  for (const folder of searchPath.split(path.delimiter)) {
    if (folder === '') continue;
    const candidate = path.resolve(folder, name);
    const executable = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (executable) return candidate;
  }
  return undefined;
}

/**
 * What `--version` printed, read. The kind comes from the text and not from the program's name,
 * because distributions ship `redis-server` as a link to Valkey.
 */
export function parseVersion(text: string): Omit<FoundServer, 'program'> | undefined {
  const match = /^(Redis|Valkey) server v=(\d+(?:\.\d+)*)/im.exec(text);
  if (match === null) return undefined;
  return { kind: match[1]!.toLowerCase() as ServerKind, version: match[2]! };
}

/**
 * The servers on the PATH, Redis first, at most one of each kind.
 * A program that fails to print its version is taken as absent: it couldn't serve either.
 */
export async function findServers(searchPath?: string): Promise<FoundServer[]> {
  const found: FoundServer[] = [];
  for (const name of ['redis-server', 'valkey-server']) {
    const program = await findProgram(name, searchPath);
    if (program === undefined) continue;
    const output = await run(program, ['--version'], { timeout: VERSION_TIMEOUT_MS }).then(
      ({ stdout }) => stdout,
      () => '',
    );
    const parsed = parseVersion(output);
    if (parsed === undefined || found.some(({ kind }) => kind === parsed.kind)) continue;
    found.push({ ...parsed, program });
  }
  return found;
}
