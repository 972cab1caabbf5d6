// Files that hold secrets, written so that nobody else can read them at any moment: the text goes into
// a new file of mode 0600, is on the disk before it gets its name, and takes the place of whatever
// had the name. A file that was there keeps nothing: neither its mode nor who has it open.

import { randomUUID } from 'node:crypto';
import {
  closeSync,
  fchownSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';

const OWNER_ONLY = 0o600;

export interface SecretFileOptions {
  /** Whose file it shall be; only root may name others. Default: of whoever runs this. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Refuses to replace a file. Default: replaces it. */
  readonly isNew?: boolean;
}

/** @throws Error of the system, e.g. EEXIST, EACCES; then nothing has changed. */
export function writeSecretFile(file: string, text: string, options: SecretFileOptions = {}): void {
  const { owner, isNew = false } = options;
  const temporary = `${file}.${randomUUID()}`;
  try {
    const descriptor = openSync(temporary, 'wx', OWNER_ONLY);
    try {
      if (owner !== undefined) fchownSync(descriptor, owner.uid, owner.gid);
      writeFileSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    // A link, unlike a rename, is refused where the name is taken.
    if (isNew) linkSync(temporary, file);
    else renameSync(temporary, file);
  } finally {
    rmSync(temporary, { force: true });
  }
  syncFolder(path.dirname(file));
}

/** A new name outlasts a loss of power only when its folder was written too. */
function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
