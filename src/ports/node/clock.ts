/** The real clock: this machine's time and timers. */
import type { Clock } from '../clock.ts'

/** The longest delay that `setTimeout` takes; longer ones are waited for in parts. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

/** The clock of this process. Its timers keep the process alive until they ran or were cancelled. */
export const nodeClock = (): Clock => ({
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, run) {
    const due = performance.now() + ms
    let timer: NodeJS.Timeout
    // the loop's time is cut to whole milliseconds, so a timer may fire a little early: then wait for the rest
    const wait = (): void => {
      const left = due - performance.now()
      timer = setTimeout(() => (performance.now() < due ? wait() : run()), Math.min(Math.max(Math.ceil(left), 0), MAX_TIMEOUT_MS))
    }
    wait()
    return () => clearTimeout(timer)
  },
  // the check phase comes after the poll phase, in which all sockets that have input were read
  endOfTick(run) {
    setImmediate(run)
  },
})
