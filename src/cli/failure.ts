/** The one error by which a command ends with a sentence for the person and an exit code for the script. */

/** The exit codes of `socp`: a contract that scripts rely on. */
export const exitCodes = {
  done: 0,
  failed: 1,
  /** Wrong usage: an unknown command, a missing or malformed option. */
  usage: 2,
  /** Configuration or data that cannot be used (`EX_CONFIG` of sysexits). */
  data: 78,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** Thrown by a command that cannot go on. The message is a whole sentence: what was wrong and what to do. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure'
  readonly exitCode: ExitCode
  constructor(message: string, exitCode: ExitCode, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}
