/** What a runtime-neutral suite may use, so that the same assertions run under tap in Node and in a browser. */

/** The error that `throws` and `rejects` expect; a key that is left out may be anything. */
export interface ExpectedError {
  readonly code?: string
  readonly reason?: string
  readonly message?: RegExp
}

export interface SuiteEnvironment {
  /** Registers one named case; a throw or a rejection of `run` fails it. */
  readonly test: (name: string, run: () => void | Promise<void>) => void
  /** Strict equality of primitives (`Object.is`). */
  readonly equal: (actual: unknown, expected: unknown, message?: string) => void
  /** Equality of structure; typed arrays compare by their bytes. */
  readonly same: (actual: unknown, expected: unknown, message?: string) => void
  readonly ok: (value: unknown, message?: string) => void
  readonly throws: (run: () => unknown, expected?: ExpectedError, message?: string) => void
  readonly rejects: (promise: Promise<unknown>, expected?: ExpectedError, message?: string) => Promise<void>
  /** A file of the captured wire data by its name: `.json` parsed, `.jsonl` as an array of its parsed lines. */
  readonly vectors: (name: string) => unknown
}

/** A suite registers its cases when it is called and does nothing else. */
export type Suite = (env: SuiteEnvironment) => void
