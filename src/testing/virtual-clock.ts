/** A clock that a test moves: deadlines of minutes are over at once, and nothing waits for time to pass. */
import type { Clock } from '../ports/clock.ts'
import { nodeClock } from '../ports/node/clock.ts'

export interface VirtualClock extends Clock {
  /**
   * Lets `ms` milliseconds pass and runs the timers that are due, each at its own time. Resolves when what they asked for at the
   * end of the tick has run too.
   */
  advance(ms: number): Promise<void>
  /** How many timers are armed. */
  readonly timers: number
}

interface Timer {
  readonly due: number
  readonly run: () => void
}

/** @param options `start` is Unix milliseconds, the present unless given; `loop` says when a tick of the real loop ends */
export const virtualClock = (options: { readonly start?: number; readonly loop?: Pick<Clock, 'now' | 'endOfTick'> } = {}): VirtualClock => {
  const loop = options.loop ?? nodeClock()
  const start = options.start ?? loop.now()
  let elapsed = 0
  const armed = new Set<Timer>()

  const endOfTick = (): Promise<void> =>
    new Promise(resolve => {
      loop.endOfTick(resolve)
    })
  /** Among equals the one that was armed first: a Set keeps the order. */
  const next = (until: number): Timer | undefined => {
    let first: Timer | undefined
    for (const timer of armed) if (timer.due <= until && (first === undefined || timer.due < first.due)) first = timer
    return first
  }

  return {
    now: () => Math.floor(start + elapsed),
    monotonic: () => elapsed,
    after: (ms, run) => {
      const timer = { due: elapsed + Math.max(0, ms), run }
      armed.add(timer)
      return () => void armed.delete(timer)
    },
    endOfTick: run => {
      loop.endOfTick(run)
    },
    advance: async ms => {
      const until = elapsed + ms
      await endOfTick()
      for (let timer = next(until); timer !== undefined; timer = next(until)) {
        armed.delete(timer)
        elapsed = Math.max(elapsed, timer.due)
        timer.run()
        await endOfTick()
      }
      elapsed = Math.max(elapsed, until)
      await endOfTick()
    },
    get timers() {
      return armed.size
    },
  }
}
