/** A machine's share of a clock: when it dies nothing of it runs any more, however much was armed. */
import type { Clock } from '../../src/ports/clock.ts'

export interface MortalClock extends Clock {
  die(): void
}

export const createMortalClock = (clock: Clock): MortalClock => {
  let alive = true
  const living = (run: () => void) => (): void => {
    if (alive) run()
  }
  return {
    // as the real one: whole milliseconds, whatever jitter made of the timers
    now: () => Math.floor(clock.now()),
    monotonic: () => clock.monotonic(),
    after: (ms, run) => clock.after(ms, living(run)),
    endOfTick: run => {
      clock.endOfTick(living(run))
    },
    die: () => {
      alive = false
    },
  }
}
