/** A token bucket: how much of something one source may do, without a timer of its own. */
import type { Clock } from '../ports/clock.ts'

export interface Rate {
  /** Tokens that are there at once. */
  readonly burst: number
  /** Tokens that come back each second. */
  readonly perSecond: number
}

export interface Bucket {
  /** Takes a token; false when there is none. */
  take(): boolean
  /** Takes tokens even if they must be borrowed, and answers for how many milliseconds the source should wait. */
  borrow(count?: number): number
}

export const createBucket = (clock: Pick<Clock, 'monotonic'>, { burst, perSecond }: Rate): Bucket => {
  let tokens = burst
  let last = clock.monotonic()
  const refill = (): void => {
    const now = clock.monotonic()
    tokens = Math.min(burst, tokens + ((now - last) / 1_000) * perSecond)
    last = now
  }
  return {
    take() {
      refill()
      if (tokens < 1) return false
      tokens -= 1
      return true
    },
    borrow(count = 1) {
      refill()
      tokens -= count
      return tokens >= 0 ? 0 : (-tokens / perSecond) * 1_000
    },
  }
}
