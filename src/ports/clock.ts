/** Time as the node sees it: an argument, never a global. */
export interface Clock {
  /** Unix time in milliseconds; may jump. */
  now(): number
  /** Milliseconds since an arbitrary origin; never goes back. Durations and deadlines are measured with it. */
  monotonic(): number
  /** Calls `run` once after `ms` milliseconds of monotonic time; the answer cancels it. */
  after(ms: number, run: () => void): () => void
  /** Calls `run` once at the end of this tick of the loop, after the input that is already there was handled. */
  endOfTick(run: () => void): void
}
