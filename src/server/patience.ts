/** Waiting with an end: a goodbye is a courtesy. */
import type { Clock } from '../ports/clock.ts'

/** Waits for `promise`, but not longer than `ms` milliseconds, however it ends. */
export const within = (clock: Clock, ms: number, promise: Promise<void>): Promise<void> =>
  new Promise(resolve => {
    const cancel = clock.after(ms, resolve)
    void promise
      .catch(() => {})
      .finally(() => {
        cancel()
        resolve()
      })
  })
