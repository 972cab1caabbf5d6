// What requests may hold and what answers show. Unknown properties are refused, and answers are
// written by these schemas, so that nothing leaks by being there.

const text = { type: 'string' } as const;
const integer = { type: 'integer' } as const;

/** Letters, digits and . _ @ -: nothing that has a meaning in a key, a pattern or a header. */
export const USERNAME_CHARACTERS = /^[\p{L}\p{N}._@-]+$/u;
export const MAX_USERNAME_LENGTH = 64;

const username = {
  ...text,
  minLength: 3,
  maxLength: MAX_USERNAME_LENGTH,
  pattern: USERNAME_CHARACTERS.source,
} as const;

function object<P extends Record<string, unknown>>(properties: P) {
  return {
    type: 'object',
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
  } as const;
}

export const MIN_PASSWORD_LENGTH = 8;
export const MAX_PASSWORD_LENGTH = 256;
const password = {
  ...text,
  minLength: MIN_PASSWORD_LENGTH,
  maxLength: MAX_PASSWORD_LENGTH,
} as const;

export const credentials = object({ username, password });

export const passwordRequest = object({ current_password: password, new_password: password });

/** A device token is at most some 400 characters of ours. */
const MAX_DEVICE_TOKEN_LENGTH = 1_024;

export const loginRequest = {
  ...credentials,
  properties: {
    ...credentials.properties,
    device_token: { ...text, maxLength: MAX_DEVICE_TOKEN_LENGTH },
  },
} as const;

export const refreshRequest = object({ refresh_token: { ...text, minLength: 20, maxLength: 200 } });

/** Nothing, where the access token says which session. */
export const logoutRequest = { ...refreshRequest, type: ['object', 'null'], required: [] } as const;

export const tokenRequest = {
  ...object({ token: { ...text, maxLength: 4_096 } }),
  // RFC 7009 §2.1 and RFC 7662 §2.1 allow a hint and others; they change nothing here.
  additionalProperties: true,
} as const;

export const tokenAnswer = object({
  access_token: text,
  refresh_token: text,
  token_type: text,
  expires_in: integer,
});

export const loginAnswer = object({ ...tokenAnswer.properties, device_token: text });

export const userAnswer = object({ id: text, username: text });

export const claimsAnswer = object({
  iss: text,
  aud: text,
  sub: text,
  client_id: text,
  sid: text,
  jti: text,
  iat: integer,
  exp: integer,
  auth_time: integer,
  username: text,
});

export const sessionsAnswer = object({
  sessions: {
    type: 'array',
    items: object({ id: text, created_at: text, current: { type: 'boolean' } }),
  },
});

export const introspectAnswer = {
  ...claimsAnswer,
  properties: {
    ...claimsAnswer.properties,
    active: { type: 'boolean' },
    token_type: text,
  },
  required: ['active'],
} as const;
