// Tokens that somebody made up, changed or kept too long: none is let in (RFC 8725).

import { createHmac, generateKeyPairSync, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { CompactSign, exportJWK, generateKeyPair, importJWK, SignJWT, UnsecuredJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { useServer } from '../../../test/support/servers.js';
import type { AccessClaims } from '../src/tokens/access-tokens.js';
import { addKey, type PrivateKey, readKeys } from '../src/tokens/key-file.js';
import { expectProblem } from './support/expectations.js';
import { login, openService, useService, verify } from './support/service.js';

const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('tokens that are not good', () => {
  const server = useServer();
  const service = useService(server);
  let claims: AccessClaims;
  let goodToken: string;
  let ownKey: PrivateKey;

  beforeAll(async () => {
    goodToken = (await login(service)).access_token;
    claims = (await verify(service, goodToken)).json();
    ownKey = readKeys(service.keysFile)[0]!;
  });

  /** Signed as the service signs, with claims and header changed. */
  async function signed(changes: object, header: object = {}, key: PrivateKey = ownKey) {
    return new SignJWT({ ...claims, ...changes })
      .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'at+jwt', ...header })
      .sign(await importJWK(key, key.alg));
  }

  const refused = async (token: string) =>
    expectProblem(await verify(service, token), 'INVALID_TOKEN');

  test('the maker of these tokens makes good ones where nothing is changed', async () => {
    expect((await verify(service, await signed({}))).statusCode).toBe(200);
  });

  test.each([
    ['expired', { exp: 1_700_000_000 }],
    ['of another issuer', { iss: 'http://elsewhere.test' }],
    ['for another audience', { aud: 'somebody else' }],
    ['without a session', { sid: undefined }],
    ['without an id', { jti: undefined }],
    ['without an end', { exp: undefined }],
    ['without a client', { client_id: undefined }],
    ['without a subject', { sub: undefined }],
    ['for nobody', { aud: undefined }],
    ['not valid yet', { nbf: 4_000_000_000 }],
    ['of a session that never was', { sid: randomUUID() }],
  ])('a token %s is refused', async (_name, changes) => {
    await refused(await signed(changes));
  });

  test('a token of another type is refused', async () => {
    await refused(await signed({}, { typ: 'JWT' }));
    await refused(await signed({}, { typ: undefined }));
  });

  test('`alg: none` is refused, in any letters', async () => {
    await refused(new UnsecuredJWT({ ...claims }).encode());
    for (const alg of ['none', 'None', 'NONE', '']) {
      const header = encoded({ alg, kid: ownKey.kid, typ: 'at+jwt' });
      await refused(`${header}.${encoded(claims)}.`);
      await refused(`${header}.${encoded(claims)}.AAAA`);
    }
  });

  test('HS256 with the public key as its secret is refused', async () => {
    const head = encoded({ alg: 'HS256', kid: ownKey.kid, typ: 'at+jwt' });
    for (const secret of [ownKey.x!, Buffer.from(ownKey.x!, 'base64url')]) {
      const mac = createHmac('sha256', secret).update(`${head}.${encoded(claims)}`);
      await refused(`${head}.${encoded(claims)}.${mac.digest('base64url')}`);
    }
  });

  test('the id of one key on the signature of another is refused', async () => {
    const { privateKey } = await generateKeyPair('EdDSA', { extractable: true });
    const stranger = { ...(await exportJWK(privateKey)), alg: 'EdDSA', kid: ownKey.kid };
    await refused(await signed({}, {}, stranger as PrivateKey));
  });

  test('a key that comes in the header is not looked at', async () => {
    const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true });
    const jwk = await exportJWK(publicKey);
    for (const header of [{ jwk }, { jku: 'http://127.0.0.1:1/keys' }, { x5c: ['AAAA'] }]) {
      for (const kid of [ownKey.kid, 'mine', undefined]) {
        const token = await new CompactSign(Buffer.from(JSON.stringify(claims)))
          .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', ...(kid && { kid }), ...header })
          .sign(privateKey);
        await refused(token);
      }
    }
  });

  test('another algorithm than the key is for is refused', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = { ...privateKey.export({ format: 'jwk' }), alg: 'ES256', kid: ownKey.kid };
    await refused(await signed({}, {}, jwk as PrivateKey));
  });

  test('a token that was changed by one character is refused', async () => {
    const [header, payload, signature] = goodToken.split('.') as [string, string, string];
    const other = (text: string) => (text.startsWith('A') ? 'B' : 'A') + text.slice(1);
    await refused(`${other(header)}.${payload}.${signature}`);
    await refused(`${header}.${other(payload)}.${signature}`);
    await refused(`${header}.${payload}.${other(signature)}`);
    await refused(`${header}.${encoded({ ...claims, username: 'root' })}.${signature}`);
    expect((await verify(service, goodToken)).statusCode).toBe(200);
  });

  test('a refresh token, and anything else that is no access token, is refused', async () => {
    await refused((await login(service)).refresh_token);
    for (const text of ['x', '..', 'a.b', 'a.b.c.d', ' ', '*', 'null', 'a'.repeat(8_000)]) {
      await refused(text);
    }
    for (const authorization of ['Basic dTpw', goodToken, `Bearer ${goodToken} x`, 'Bearer']) {
      const answer = await service.app.inject({ url: '/auth/verify', headers: { authorization } });
      expectProblem(answer, 'INVALID_TOKEN');
    }
  });

  test('the key file is for its owner alone, and what is published has no private part', async () => {
    await addKey(service.keysFile, 'ES256');
    const text = readFileSync(service.keysFile, 'utf8');
    const other = await openService(server().url, { keysFile: service.keysFile });
    const published = (await other.app.inject('/.well-known/jwks.json')).body;
    expect(JSON.parse(published).keys).toHaveLength(2);
    for (const { d } of (JSON.parse(text) as { keys: PrivateKey[] }).keys) {
      expect(published).not.toContain(d);
    }
    await other.close();
  });
});
