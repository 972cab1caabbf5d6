// Refresh tokens. Each names its session and its place in the session's line of tokens:
//
//   version (1) | home (3) | session (16) | generation (4) | family secret (16) | HMAC-SHA-256 (32)
//
// in base64url. The home says where in a cluster the session is (store/keys.ts).
//
// Why they are made rather than drawn at random: whoever lost an answer shows a token that was
// replaced, and must be given the one that is good now. Made from its generation, it can be made again
// at any time, and Redis holds neither tokens nor what follows one: a number, and a hash of the family's
// secret. The secret is drawn at login and stands in the session's tokens alone, so that neither who
// reads Redis nor who has stolen a signing key can make a token of somebody's session.
// A token that was forged is known without Redis, and can't be used to end a session as a used one.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { Problem } from '../errors.js';
import { HOME_BYTES } from '../store/keys.js';
import type { RefreshReference } from '../store/store.js';
import type { KeyRing } from './key-ring.js';

/** 1 had no home. */
const VERSION = 2;
const HOME_AT = 1;
const SESSION_AT = HOME_AT + HOME_BYTES;
const GENERATION_AT = SESSION_AT + 16;
const FAMILY_AT = GENERATION_AT + 4;
const MAC_AT = FAMILY_AT + 16;
/** 72 bytes; no bit of the last character is left over, so that a token has one spelling. */
const PATTERN = /^[\w-]{96}$/;

export class RefreshTokens {
  readonly #keys: KeyRing;

  constructor(keys: KeyRing) {
    this.#keys = keys;
  }

  /** The same token each time, as long as the same key signs. */
  async sign({ home, sessionId, generation, family }: RefreshReference): Promise<string> {
    const { refreshSecret } = await this.#keys.signing();
    const body = Buffer.alloc(MAC_AT);
    body.writeUInt8(VERSION);
    body.write(home, HOME_AT, 'base64url');
    body.write(sessionId.replaceAll('-', ''), SESSION_AT, 'hex');
    body.writeUInt32BE(generation, GENERATION_AT);
    body.write(family, FAMILY_AT, 'base64url');
    return Buffer.concat([body, macOf(body, refreshSecret)]).toString('base64url');
  }

  /** Whether we made it; whether it is still good is the store's to say. @throws Problem INVALID_TOKEN */
  async read(token: string): Promise<RefreshReference> {
    if (!PATTERN.test(token)) throw new Problem('INVALID_TOKEN');
    const bytes = Buffer.from(token, 'base64url');
    const [body, mac] = [bytes.subarray(0, MAC_AT), bytes.subarray(MAC_AT)];
    const keys = await this.#keys.all();
    const isOurs = keys.some(({ refreshSecret }) =>
      timingSafeEqual(macOf(body, refreshSecret), mac),
    );
    if (!isOurs || body[0] !== VERSION) throw new Problem('INVALID_TOKEN');
    return {
      home: body.toString('base64url', HOME_AT, SESSION_AT),
      sessionId: uuidOf(body.toString('hex', SESSION_AT, GENERATION_AT)),
      generation: body.readUInt32BE(GENERATION_AT),
      family: body.toString('base64url', FAMILY_AT),
    };
  }
}

function macOf(body: Buffer, secret: Buffer): Buffer {
  return createHmac('sha256', secret).update(body).digest();
}

function uuidOf(hex: string): string {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
