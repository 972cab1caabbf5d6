// Wrong certificates, keys and fields of `tls`: refused at the start with the field's name, or told
// at the connect; nothing ends the process, and no content of a file is repeated.

import { createPrivateKey } from 'node:crypto';
import type { ConnectionOptions } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { type PrivateServer, startPrivateServer } from '../../scripts/redis-server.js';
import {
  createPool,
  type InvalidOptionsError,
  type Pool,
  type PoolError,
} from '../../src/index.js';
import { type Certificates, makeCertificates } from '../support/certificates.js';
import { outcomeOf } from '../support/outcome.js';
import { everythingShownBy } from '../support/wire-connection.js';

const SECRET = 'correct-horse-battery-staple';
const pools: Pool[] = [];
let certificates: Certificates;
let others: Certificates;
let server: PrivateServer;
const uncaught: unknown[] = [];
const noteUncaught = (error: unknown) => uncaught.push(error);

beforeAll(async () => {
  [certificates, others] = await Promise.all([makeCertificates(), makeCertificates()]);
  const tls = { caFile: certificates.caFile, ...certificates.server };
  server = await startPrivateServer({ tls: { ...tls, requireClientCertificate: true } });
  process.on('uncaughtException', noteUncaught);
});
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close({ timeoutMs: 0 });
  expect(uncaught.splice(0)).toEqual([]);
});
afterAll(async () => {
  process.off('uncaughtException', noteUncaught);
  await server.stop();
  certificates.remove();
  others.remove();
});

function open(tls: ConnectionOptions): Pool {
  const pool = createPool({ host: 'localhost', port: server.tlsPort as number, tls }, {});
  pools.push(pool);
  return pool;
}

/** The one problem of these options. */
function problemWith(tls: object): string {
  try {
    open(tls as ConnectionOptions);
  } catch (error) {
    expect((error as PoolError).code).toBe('INVALID_OPTIONS');
    expect(everythingShownBy(error)).not.toMatch(/correct-horse|BEGIN|hunter2/);
    const { problems } = error as InvalidOptionsError;
    expect(problems).toHaveLength(1);
    return problems[0] as string;
  }
  return 'none';
}

function locked(pem: string): string {
  const cipher = { cipher: 'aes-256-cbc', passphrase: SECRET };
  return createPrivateKey(pem).export({ type: 'pkcs8', format: 'pem', ...cipher }) as string;
}

describe('tls', () => {
  test('serves with good files, as text or bytes, one by one or in lists', async () => {
    const { ca, client } = certificates;
    const { cert, key } = client;
    const bytes = { ca: Buffer.from(ca), cert: Buffer.from(cert), key: Buffer.from(key) };
    const lists = {
      ca: [others.ca, ca],
      cert: [cert],
      key: [{ pem: locked(key), passphrase: SECRET }],
    };
    const passphrase = { ca, cert, key: locked(key), passphrase: SECRET };
    const bundle = { ca: `# comment\n${others.ca}${ca}`, cert: `${cert}${ca}`, key };
    for (const tls of [{ ca, cert, key }, bytes, lists, passphrase, bundle]) {
      expect(await open(tls as ConnectionOptions).client.ping()).toBe('PONG');
    }
  });

  test('with a wrong file is refused at the start, with the name of the field', () => {
    const { ca, client } = certificates;
    const { cert, key } = client;
    const cut = (pem: string) => pem.slice(0, pem.length / 2);
    const noise = Buffer.from('-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----\n');
    const table: readonly (readonly [object, RegExp])[] = [
      [{ ca: certificates.caFile }, /^tls has a ca that is no certificate.*not its path$/],
      [{ ca: '' }, /^tls has a ca that is no certificate/],
      [{ ca: noise }, /^tls has a ca that is no certificate/],
      [{ ca: cut(ca) }, /^tls has a ca/],
      [{ ca: key }, /^tls has a ca that is no certificate/],
      [{ ca: [ca, 'hunter2'] }, /^tls has a ca that is no certificate/],
      [{ ca: 5 }, /^tls has a ca that is no certificate/],
      [{ ca, cert: client.certFile, key }, /^tls has a cert that is no certificate/],
      [{ ca, cert: noise, key }, /^tls has a cert that is no certificate/],
      [{ ca, cert, key: client.keyFile }, /^tls has a key that cannot be read .*not its path$/],
      [{ ca, cert, key: cut(key) }, /^tls has a key that cannot be read/],
      [{ ca, cert, key: cert }, /^tls has a key that cannot be read/],
      [{ ca, cert, key: '' }, /^tls has a key that is empty$/],
      [{ ca, cert, key: { hunter2: 1 } }, /^tls has a key that cannot be read/],
      [{ ca, cert }, /^tls has a cert without its key$/],
      [{ ca, key }, /^tls has a key without its cert$/],
      [{ ca, cert, key: others.client.key }, /^tls has a key that does not belong to its cert$/],
      [{ ca, cert, key: locked(key) }, /^tls has a key that needs a passphrase$/],
      [
        { ca, cert, key: locked(key), passphrase: 'hunter2' },
        /^tls has a key that its passphrase does not open$/,
      ],
      [{ ca, pfx: 'hunter2' }, /^tls has a pfx that cannot be read, or not with its passphrase/],
      [{ ca, cert, key, crl: 'hunter2' }, /^tls has a crl that node:tls refuses/],
    ];
    for (const [tls, problem] of table) expect(problemWith(tls)).toMatch(problem);
  });

  test('with a wrong field is refused at the start', () => {
    const table: readonly (readonly [object, RegExp])[] = [
      [{ minVersion: 'hunter2' }, /^tls has a minVersion that node:tls refuses/],
      [{ minVersion: 'TLSv1.3', maxVersion: 'hunter2' }, /^tls has a maxVersion/],
      [{ ciphers: 'hunter2' }, /^tls has a ciphers that node:tls refuses/],
      [{ ecdhCurve: 'hunter2' }, /^tls has a ecdhCurve that node:tls refuses/],
      [{ passphrase: 5 }, /^tls has a passphrase that is no text$/],
      [{ servername: 5 }, /^tls has a servername that is no text$/],
      [{ rejectUnauthorized: 'false' }, /^tls has a rejectUnauthorized that is neither/],
      [{ checkServerIdentity: 'hunter2' }, /^tls has a checkServerIdentity that is no function$/],
      [{ rejectUnauthorised: false }, /did you mean rejectUnauthorized\?$/],
      [{ serverName: 'h' }, /did you mean servername\?$/],
      [{ session: 'hunter2' }, /^tls has a session that is no Buffer$/],
      [{ ALPNProtocols: 5 }, /^tls has an ALPNProtocols that is no list$/],
      [{ minDHSize: 'hunter2' }, /^tls has a minDHSize that is no number$/],
      [{ onread: { buffer: Buffer.alloc(1) } }, /^tls must not hold onread/],
      [{ host: 'elsewhere' }, /^tls must not hold host/],
    ];
    for (const [tls, problem] of table) expect(problemWith(tls)).toMatch(problem);
    // What is absent, and what only a newer Node knows.
    expect(problemWith({ ca: undefined, key: null, aFieldOfTheFuture: 1 })).toBe('none');
  });

  test('that fails at the connect says TLS_FAILED, ends nothing and repeats nothing', async () => {
    const { ca, client } = certificates;
    const { cert, key } = client;
    const good = { ca, cert, key };
    const fails = () => {
      throw new Error('a check that fails');
    };
    const table: readonly object[] = [
      { ...good, checkServerIdentity: fails },
      { ...good, checkServerIdentity: () => new Error('not this one') },
      { secureContext: {} },
      { ca: others.ca, cert, key },
      { ca },
      { ...good, cert: others.client.cert, key: others.client.key },
      { ...good, maxVersion: 'TLSv1.1', minVersion: 'TLSv1' },
    ];
    for (const tls of table) {
      const { error, tookMs } = await outcomeOf(open(tls as ConnectionOptions).client.ping());
      expect((error?.cause as PoolError | undefined)?.code ?? error?.code).toBe('TLS_FAILED');
      expect(everythingShownBy(error)).not.toMatch(/hunter2|BEGIN/);
      expect(tookMs).toBeLessThan(5_000);
    }
    expect(await open({ ...good, checkServerIdentity: () => undefined }).client.ping()).toBe(
      'PONG',
    );
  });

  test('whose lookup fails says so, whatever it throws', async () => {
    const { ca, client } = certificates;
    const lookup = () => {
      throw new Error('no name service');
    };
    const { error } = await outcomeOf(open({ ca, ...client, lookup } as object).client.ping());
    expect((error?.cause as PoolError | undefined)?.code ?? error?.code).toBe('TLS_FAILED');
  });
});
