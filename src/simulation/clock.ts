/** A simulated machine's clock: it may run fast or slow and jump, while durations are measured by the same quartz. */
import type { Clock } from '../ports/clock.ts'
import type { Life } from './life.ts'
import type { Schedule } from './schedule.ts'

/** The time at which every world begins, Unix milliseconds. */
export const WORLD_BEGAN = Date.UTC(2026, 0, 1)

/** The clock of a machine, which outlives its programs. */
export interface Quartz {
  /** Milliseconds by which it is wrong; a jump changes it. */
  offsetMs: number
  /** Milliseconds that its machine slept: the clock went on, the quartz did not. */
  asleepMs: number
  /** 1.0001 runs fast by 100 ms in 1,000 s. Stays as it is. */
  readonly rate: number
}

export const createClock = (schedule: Schedule, quartz: Quartz, life: Life): Clock => {
  const counted = (): number => schedule.now() * quartz.rate
  const monotonic = (): number => counted() - quartz.asleepMs
  const later = (ms: number, run: () => void): (() => void) => {
    if (!life.calls()) return () => {}
    let cancelled = false
    const cancel = schedule.after(ms / quartz.rate, () => {
      life.enter(() => {
        // it may have been cancelled while the process stood still
        if (!cancelled) run()
      })
    })
    return () => {
      cancelled = true
      cancel()
    }
  }
  return {
    now: () => Math.floor(WORLD_BEGAN + counted() + quartz.offsetMs),
    monotonic,
    after: later,
    endOfTick: run => void later(0, run),
  }
}
