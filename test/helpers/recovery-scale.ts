/** Whether a proof runs in its full counts (`npm run test:long`) or as a sample of them. */
import fc from 'fast-check'

/** True under `npm run test:long`, which preloads long-runs.ts. */
export const isLong = (): boolean => fc.readConfigureGlobal().numRuns !== undefined

/** The full list, or every tenth of it: the first, the eleventh … and always the last. */
export const sampled = <T>(all: readonly T[]): readonly T[] =>
  isLong() ? all : all.filter((_, index) => index % 10 === 0 || index === all.length - 1)
