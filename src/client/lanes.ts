/** Runs jobs in order within a lane and side by side between lanes; a lane exists only while it has jobs. */

export interface Lanes {
  /** Runs `job` after all earlier jobs of any of `lanes`, whatever became of them. */
  run<T>(lanes: readonly string[], job: () => Promise<T>): Promise<T>
  /** Jobs that have not ended. */
  readonly size: number
  /** Resolves when at most `size` jobs are left. */
  below(size: number): Promise<void>
}

export const createLanes = (): Lanes => {
  const tails = new Map<string, Promise<void>>()
  let size = 0
  let waiting: { readonly size: number; readonly resolve: () => void }[] = []

  const ended = (lanes: readonly string[], tail: Promise<void>): void => {
    size -= 1
    for (const lane of lanes) if (tails.get(lane) === tail) tails.delete(lane)
    const ready = waiting.filter(waiter => size <= waiter.size)
    waiting = waiting.filter(waiter => size > waiter.size)
    for (const { resolve } of ready) resolve()
  }

  return {
    run: (lanes, job) => {
      size += 1
      const mine = Promise.all(lanes.map(lane => tails.get(lane) ?? Promise.resolve())).then(job)
      const tail: Promise<void> = mine.then(
        () => {},
        () => {},
      )
      for (const lane of lanes) tails.set(lane, tail)
      void tail.then(() => {
        ended(lanes, tail)
      })
      return mine
    },
    get size() {
      return size
    },
    below: limit =>
      size <= limit
        ? Promise.resolve()
        : new Promise(resolve => {
            waiting.push({ size: limit, resolve })
          }),
  }
}
