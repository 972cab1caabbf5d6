// A certificate authority that lives as long as a test, with a certificate for the server and one
// for clients, made by the openssl command. Two calls make two authorities that don't trust each
// other, for the tests in which TLS has to be refused.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

import { ensureOpenssl } from '../../scripts/redis-server.js';

const run = promisify(execFile);

/** What the server's certificate is valid for, beside 127.0.0.1 and localhost; for SNI tests. */
export const SERVER_NAME = 'redis.plimsoll.test';

export interface CertificatePair {
  readonly certFile: string;
  readonly keyFile: string;
  /** The PEM text of the certificate. */
  readonly cert: string;
  /** The PEM text of the key. */
  readonly key: string;
}

export interface Certificates {
  readonly caFile: string;
  /** The PEM text of the authority's certificate. */
  readonly ca: string;
  readonly server: CertificatePair;
  /** Common name `plimsoll-client`. */
  readonly client: CertificatePair;
  /** Removes all files. */
  remove(): void;
}

const KEY_ARGS = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
const VALID_DAYS = '2';

/** Makes a new authority with both certificates, in a folder of their own. */
export async function makeCertificates(): Promise<Certificates> {
  const openssl = await ensureOpenssl();
  const folder = mkdtempSync(path.join(tmpdir(), 'plimsoll-certificates-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    await run(
      openssl,
      [
        ...['req', '-x509', ...KEY_ARGS, '-keyout', 'ca.key', '-out', 'ca.crt'],
        ...['-days', VALID_DAYS, '-subj', '/CN=plimsoll-test-authority'],
      ],
      { cwd: folder },
    );
    const names = `subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:${SERVER_NAME}`;
    return {
      caFile: path.join(folder, 'ca.crt'),
      ca: await readFile(path.join(folder, 'ca.crt'), 'utf8'),
      server: await issue(openssl, folder, 'server', SERVER_NAME, names),
      client: await issue(
        openssl,
        folder,
        'client',
        'plimsoll-client',
        'extendedKeyUsage=clientAuth',
      ),
      remove,
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Has the authority in `folder` sign a new key. */
async function issue(
  openssl: string,
  folder: string,
  file: string,
  commonName: string,
  extension: string,
): Promise<CertificatePair> {
  await run(
    openssl,
    [
      ...['req', ...KEY_ARGS, '-keyout', `${file}.key`, '-out', `${file}.csr`],
      ...['-subj', `/CN=${commonName}`],
    ],
    { cwd: folder },
  );
  await writeFile(path.join(folder, `${file}.ext`), `${extension}\n`);
  await run(
    openssl,
    [
      ...['x509', '-req', '-in', `${file}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key'],
      ...['-CAcreateserial', '-out', `${file}.crt`, '-days', VALID_DAYS],
      ...['-extfile', `${file}.ext`],
    ],
    { cwd: folder },
  );
  const certFile = path.join(folder, `${file}.crt`);
  const keyFile = path.join(folder, `${file}.key`);
  const [cert, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')]);
  return { certFile, keyFile, cert, key };
}
