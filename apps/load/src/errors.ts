// Errors that the load tester itself raises: what the caller got wrong, or what broke in the
// tester. Failures of the service under test are never errors here; they are counted.

export const LOAD_ERROR_CODES = [
  'INVALID_OPTION',
  'UNKNOWN_USER_CLASS',
  'INVALID_USER_CLASS',
  'INVALID_USERS_FILE',
  'INVALID_THRESHOLD',
  'OUTPUT_NOT_WRITABLE',
  'CONCURRENT_REQUEST',
] as const;

export type LoadErrorCode = (typeof LOAD_ERROR_CODES)[number];

/** `code` is stable and made to be matched on; the message is made to be read. */
export class LoadError extends Error {
  override readonly name = 'LoadError';

  constructor(
    readonly code: LoadErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
