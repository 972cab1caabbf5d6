// Every error that a client of the service may see, as RFC 9457 has it: a stable code, a status and
// a sentence. Nothing here may hold a password, a token or a key.

export const PROBLEMS = {
  BAD_REQUEST: [400, 'The request is not valid'],
  INVALID_CREDENTIALS: [401, 'User name or password is wrong'],
  TOKEN_REQUIRED: [401, 'An access token is required'],
  INVALID_CLIENT: [401, 'Id or secret of the client is wrong'],
  INVALID_TOKEN: [401, 'The token is not valid'],
  REFRESH_REUSED: [401, 'The refresh token was used before; its session has ended'],
  NOT_FOUND: [404, 'There is nothing here'],
  METHOD_NOT_ALLOWED: [405, 'The method is not allowed here'],
  REQUEST_TIMEOUT: [408, 'The request did not come in time'],
  USERNAME_TAKEN: [409, 'The user name is taken'],
  BODY_TOO_LARGE: [413, 'The body is too large'],
  UNSUPPORTED_MEDIA_TYPE: [415, 'The media type is not supported'],
  TOO_MANY_ATTEMPTS: [429, 'Too many attempts; try again later'],
  TOO_MANY_REFRESHES: [429, 'The session is refreshed too often; try again later'],
  HEADERS_TOO_LARGE: [431, 'The headers are too large'],
  INTERNAL: [500, 'Something went wrong'],
  STORE_UNAVAILABLE: [503, 'The session store cannot be reached'],
  REVOCATION_UNCONFIRMED: [503, 'It is done, but a crash may undo it; ask again'],
  BUSY: [503, 'Too many passwords are being checked; try again later'],
} as const satisfies Record<string, readonly [number, string]>;

export type ProblemCode = keyof typeof PROBLEMS;

/** What OAuth calls them (RFC 6749 §5.2), for clients that look for `error`. */
const OAUTH_ERRORS: Partial<Record<ProblemCode, string>> = {
  BAD_REQUEST: 'invalid_request',
  INVALID_CLIENT: 'invalid_client',
};

export class Problem extends Error {
  readonly status: number;

  /**
   * @param detail What is wrong in this case; for the client's eyes.
   * @param retryAfterSeconds Becomes the header `Retry-After`.
   */
  constructor(
    readonly code: ProblemCode,
    readonly detail?: string,
    readonly retryAfterSeconds?: number,
    options?: ErrorOptions,
  ) {
    super(PROBLEMS[code][1], options);
    this.name = 'Problem';
    this.status = PROBLEMS[code][0];
  }

  /** The body, `application/problem+json`. */
  toBody(): Record<string, unknown> {
    const error = OAUTH_ERRORS[this.code];
    return {
      type: `urn:plimsoll:auth:${this.code.toLowerCase().replaceAll('_', '-')}`,
      title: this.message,
      status: this.status,
      code: this.code,
      ...(error === undefined ? {} : { error }),
      ...(this.detail === undefined ? {} : { detail: this.detail }),
    };
  }
}
