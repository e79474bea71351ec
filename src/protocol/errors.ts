/** The errors that travel (SOCP §9.5), their fixed details, and the one class that carries them. */

/** Wire code → fixed detail. Refusals to strangers carry this text and nothing of the frame. */
export const errorCodes = {
  USER_NOT_FOUND: 'No such user is online.',
  INVALID_SIG: 'The signature does not verify.',
  BAD_KEY: 'Keys are RSA-4096 with exponent 65537, and a pinned key stays.',
  TIMEOUT: 'Too slow, too many, or outside the accepted time.',
  UNKNOWN_TYPE: 'This frame is not understood here.',
  NAME_IN_USE: 'This id belongs to somebody else here.',
} as const

export type ErrorCode = keyof typeof errorCodes

/** True for a code of the table, and not for a name of `Object.prototype`. */
export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errorCodes, code)

/** Something a peer or user did that is refused with a wire code. Anything else that is thrown is a bug. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly code: ErrorCode
  /** Why, in a word, for counters and logs: `too_large`, `stale`, `replayed`, … */
  readonly reason: string
  constructor(code: ErrorCode, reason: string, detail: string = errorCodes[code], options?: ErrorOptions) {
    super(detail, options)
    this.code = code
    this.reason = reason
  }
}
