/** Timers by name: arming one again replaces it, and all of them end together. */
import type { Clock } from '../ports/clock.ts'

export interface Timers {
  /** Runs `run` once in `ms` milliseconds unless the name is armed again or cancelled before. */
  arm(name: string, ms: number, run: () => void): void
  cancel(name: string): void
  /** Runs `run` every `ms` milliseconds until everything is cancelled. */
  every(ms: number, run: () => void): void
  cancelAll(): void
  /** How many are armed. */
  readonly armed: number
}

export const createTimers = (clock: Pick<Clock, 'after'>): Timers => {
  const armed = new Map<string, () => void>()
  let periodic = 0
  const timers: Timers = {
    arm(name, ms, run) {
      armed.get(name)?.()
      armed.set(
        name,
        clock.after(Math.max(0, ms), () => {
          armed.delete(name)
          run()
        }),
      )
    },
    cancel(name) {
      armed.get(name)?.()
      armed.delete(name)
    },
    every(ms, run) {
      const name = `every ${periodic++}`
      const again = (): void => {
        timers.arm(name, ms, () => {
          // armed first: a throw in one round must not end the rounds
          again()
          run()
        })
      }
      again()
    },
    get armed() {
      return armed.size
    },
    cancelAll() {
      for (const cancel of armed.values()) cancel()
      armed.clear()
    },
  }
  return timers
}
