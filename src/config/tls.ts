// Whether the options of TLS can work at all, tried with node:tls itself: a wrong file shows at the
// start, with the field that it is in, and not as a riddle of OpenSSL at every connect. Nothing of
// a field's content reaches a problem; Node's own messages repeat what they were given.

import { X509Certificate } from 'node:crypto';
import { createSecureContext, type ConnectionOptions as TlsOptions } from 'node:tls';
import { isObject, kindOf } from './kinds.js';
import { Secret } from './secret.js';
import { suggest } from './suggest.js';

/** Would silently lead to another server than host and port say. */
const ADDRESS = ['host', 'port', 'path', 'socket'];
/** Would take what the server says away from the pool. */
const SOCKET_TAKERS = ['onread', 'isServer', 'signal'];

/** What a context is made of: the fields that can be tried one by one, in this order. */
const CONTEXT_FIELDS = [
  ...['pfx', 'key', 'cert', 'ca', 'crl', 'ciphers', 'ecdhCurve', 'sigalgs'],
  ...['minVersion', 'maxVersion', 'secureProtocol', 'dhparam', 'secureOptions', 'ticketKeys'],
];
const FUNCTIONS = ['checkServerIdentity', 'lookup', 'pskCallback'];
const TRUE_OR_FALSE = ['rejectUnauthorized', 'requestOCSP', 'enableTrace', 'honorCipherOrder'];
const TEXTS = ['servername', 'passphrase'];
const KNOWN_FIELDS = [
  ...[...ADDRESS, ...SOCKET_TAKERS, ...CONTEXT_FIELDS, ...FUNCTIONS, ...TRUE_OR_FALSE, ...TEXTS],
  ...['ALPNProtocols', 'session', 'minDHSize', 'secureContext', 'clientCertEngine'],
  ...['privateKeyEngine', 'privateKeyIdentifier', 'sessionIdContext', 'sessionTimeout'],
  ...['allowPartialTrustChain', 'family', 'hints', 'localAddress', 'localPort', 'timeout'],
  ...['autoSelectFamily', 'autoSelectFamilyAttemptTimeout', 'highWaterMark', 'requestCert'],
  ...['noDelay', 'keepAlive', 'keepAliveInitialDelay', 'allowHalfOpen', 'SNICallback'],
];
/** Where one of these is given, the key lies elsewhere, and trying it may ask a device. */
const KEY_ELSEWHERE = ['secureContext', 'clientCertEngine', 'privateKeyEngine'];

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*(-----END CERTIFICATE-----)?/g;
const PEM_OF_CERTIFICATES = /-----BEGIN ([A-Z0-9]+ )?CERTIFICATE-----/;

type Fields = Readonly<Record<string, unknown>>;

/** Goes on from `tls` with what is wrong; `undefined` where nothing is. */
export function checkTls(value: unknown): string | undefined {
  if (typeof value === 'boolean') return undefined;
  if (!isObject(value)) return `must be true, false or options of node:tls, not ${kindOf(value)}`;
  const given = Object.entries(value).filter(([, field]) => field !== undefined && field !== null);
  const tls: Fields = Object.fromEntries(given);
  return misplacedField(tls) ?? misnamedField(tls) ?? wrongKind(tls) ?? wrongContent(tls);
}

function misplacedField(tls: Fields): string | undefined {
  const given = (names: readonly string[]) => names.filter((name) => tls[name] !== undefined);
  const address = given(ADDRESS).join(', ');
  if (address !== '') {
    return `must not hold ${address}: the address goes beside it, into host and port`;
  }
  const takers = given(SOCKET_TAKERS).join(', ');
  return takers === ''
    ? undefined
    : `must not hold ${takers}: the pool reads and closes its sockets`;
}

/** A name close to one of node:tls; others may belong to a Node that is newer than this list. */
function misnamedField(tls: Fields): string | undefined {
  for (const name of Object.keys(tls)) {
    if (KNOWN_FIELDS.includes(name)) continue;
    const meant = suggest(name, KNOWN_FIELDS);
    if (meant !== undefined) return `has a field ${name}, which is none; did you mean ${meant}?`;
  }
  return undefined;
}

function wrongKind(tls: Fields): string | undefined {
  const wrong = (names: readonly string[], type: string) =>
    names.find((name) => tls[name] !== undefined && typeof tls[name] !== type);
  const noFunction = wrong(FUNCTIONS, 'function');
  if (noFunction !== undefined) return `has a ${noFunction} that is no function`;
  const noBoolean = wrong(TRUE_OR_FALSE, 'boolean');
  if (noBoolean !== undefined) return `has a ${noBoolean} that is neither true nor false`;
  const noText = wrong(TEXTS, 'string');
  if (noText !== undefined) return `has a ${noText} that is no text`;
  if (wrong(['minDHSize'], 'number') !== undefined) return 'has a minDHSize that is no number';
  const { session, ALPNProtocols } = tls;
  if (session !== undefined && !ArrayBuffer.isView(session))
    return 'has a session that is no Buffer';
  const isList = Array.isArray(ALPNProtocols) || ArrayBuffer.isView(ALPNProtocols);
  if (ALPNProtocols !== undefined && !isList) return 'has an ALPNProtocols that is no list';
  return undefined;
}

function wrongContent(tls: Fields): string | undefined {
  if (KEY_ELSEWHERE.some((name) => tls[name] !== undefined)) return undefined;
  const empty = ['key', 'pfx'].find((name) => (tls[name] as { length?: number })?.length === 0);
  if (empty !== undefined) return `has a ${empty} that is empty`;
  const unreadable = ['ca', 'cert'].find((name) => !holdsCertificates(tls[name]));
  if (unreadable !== undefined) {
    return (
      `has a ${unreadable} that is no certificate in PEM form: ` +
      'it takes the content of the file, not its path'
    );
  }
  if (tls.key === undefined && tls.cert !== undefined && tls.privateKeyIdentifier === undefined) {
    return 'has a cert without its key';
  }
  if (tls.cert === undefined && tls.key !== undefined) return 'has a key without its cert';
  if (failureOf(tls) === undefined) return undefined;
  for (const field of CONTEXT_FIELDS) {
    const code = failureOf({ [field]: tls[field], passphrase: tls.passphrase });
    if (tls[field] !== undefined && code !== undefined) return wrongField(field, code, tls);
  }
  const code = failureOf(tls) as string;
  if (/KEY_VALUES_MISMATCH/.test(code)) return 'has a key that does not belong to its cert';
  return `has fields that do not go together (${code})`;
}

function wrongField(field: string, code: string, { passphrase }: Fields): string {
  if (field === 'key' && /BAD_DECRYPT|BAD_PASSWORD|INTERRUPTED/.test(code)) {
    return passphrase === undefined
      ? 'has a key that needs a passphrase'
      : 'has a key that its passphrase does not open';
  }
  if (field === 'key') {
    return `has a key that cannot be read (${code}): it takes the content of the file, not its path`;
  }
  if (field === 'pfx') return `has a pfx that cannot be read, or not with its passphrase (${code})`;
  return `has a ${field} that node:tls refuses (${code})`;
}

/** The code of the error, which alone repeats nothing; `undefined`: it works. */
function failureOf(tls: Fields): string | undefined {
  try {
    createSecureContext(tls as TlsOptions);
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? 'no code';
  }
}

/** node:tls takes anything for a `ca` and passes over what it can't read, to trust nobody then. */
function holdsCertificates(value: unknown): boolean {
  if (value === undefined) return true;
  if (Array.isArray(value)) return value.every(holdsCertificates);
  if (typeof value !== 'string' && !ArrayBuffer.isView(value)) return false;
  const text =
    typeof value === 'string'
      ? value
      : Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1');
  try {
    for (const [certificate] of text.matchAll(PEM_CERTIFICATE)) new X509Certificate(certificate);
  } catch {
    return false;
  }
  return PEM_OF_CERTIFICATES.test(text);
}

/** The caller's own object is copied, so that neither side changes the other's. */
export function tlsSecret(tls: boolean | TlsOptions | undefined): Secret<TlsOptions> | undefined {
  if (tls === undefined || tls === false) return undefined;
  return new Secret<TlsOptions>(Object.freeze(tls === true ? {} : { ...tls }));
}
