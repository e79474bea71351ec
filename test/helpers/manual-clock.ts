/** A clock that stands still until a test moves it. */
import type { Clock } from '../../src/ports/clock.ts'

export interface ManualClock extends Clock {
  /** Ends the tick: runs what asked for it, and what these ask for in turn. */
  tick(): void
  /** Lets `ms` pass on both clocks: ends the tick, then runs each timer at its own time, ending the tick after each. */
  advance(ms: number): void
  /** Moves the wall clock alone, as an operator or NTP does. */
  jump(ms: number): void
  /** How many timers are armed, and how many wait for the end of the tick. */
  timers(): number
  waiting(): number
}

/**
 * `start` is Unix milliseconds. With `endOfTick: 'microtask'` ticks end by themselves in the next microtask, for
 * tests that are not about them; otherwise only `tick` and `advance` end one.
 */
export const createManualClock = (options: { readonly start?: number; readonly endOfTick?: 'manual' | 'microtask' } = {}): ManualClock => {
  let wall = options.start ?? 1_750_000_000_000
  let elapsed = 0
  let armed: { readonly due: number; readonly run: () => void }[] = []
  let ending: (() => void)[] = []

  const tick = (): void => {
    while (ending.length > 0) {
      const now = ending
      ending = []
      for (const run of now) run()
    }
  }
  const pass = (ms: number): void => {
    wall += ms
    elapsed += ms
  }

  return {
    now: () => wall,
    monotonic: () => elapsed,
    after: (ms, run) => {
      const timer = { due: elapsed + Math.max(0, ms), run }
      armed.push(timer)
      return () => {
        armed = armed.filter(other => other !== timer)
      }
    },
    endOfTick: run => {
      ending.push(run)
      if (options.endOfTick === 'microtask' && ending.length === 1) queueMicrotask(tick)
    },
    tick,
    advance: ms => {
      tick()
      const until = elapsed + ms
      for (;;) {
        // among equals the one that was armed first
        const next = armed.reduce<(typeof armed)[number] | undefined>(
          (best, timer) => (!best || timer.due < best.due ? timer : best),
          undefined,
        )
        if (!next || next.due > until) break
        armed = armed.filter(timer => timer !== next)
        pass(next.due - elapsed)
        next.run()
        tick()
      }
      pass(until - elapsed)
    },
    jump: ms => {
      wall += ms
    },
    timers: () => armed.length,
    waiting: () => ending.length,
  }
}
