/** A wait with an end. */
import type { Clock } from '../ports/clock.ts'

/** Waits for `promise`, but not longer than `ms` milliseconds: a goodbye is a courtesy. */
export const within = (clock: Pick<Clock, 'after'>, ms: number, promise: Promise<void>): Promise<void> =>
  new Promise(resolve => {
    const cancel = clock.after(ms, resolve)
    void promise
      .catch(() => {})
      .finally(() => {
        cancel()
        resolve()
      })
  })
