/** A clock that was set once: what somebody does to the machine's clock later changes nothing for a program that runs. */
import type { Clock } from './clock.ts'

/**
 * Reads the time once, and goes on by durations. A mesh measures how far apart clocks are when two programs meet, so a clock that is wrong
 * does no harm as long as it stays as wrong; one that jumps would make everything from others too old or too new, and every deadline too
 * early or too late. The next start takes the new time.
 */
export const steadyClock = (clock: Clock): Clock => {
  const start = clock.now() - clock.monotonic()
  return {
    now: () => Math.floor(start + clock.monotonic()),
    monotonic: () => clock.monotonic(),
    after: (ms, run) => clock.after(ms, run),
    endOfTick: run => {
      clock.endOfTick(run)
    },
  }
}
